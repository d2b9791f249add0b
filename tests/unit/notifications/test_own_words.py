"""Words of a tenant's own can name data and choose, and do nothing else: what reaches for more is refused before it is kept."""

import pytest
from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError

from guilder.platform.outside.templating import OWN_BODY_MAX, BadWords, OwnText, Templates, _environment

TEMPLATES = Templates("guilder.domain.notifications")

# How templates have been made to run something, or to go on for ever, elsewhere.
REACHING = [
    "{{ 7*7 }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ config }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].system('id') }}",
    "{{ joiner() }}",
    "{{ namespace() }}",
    "{{ request.application.__globals__.__builtins__ }}",
    "{{ customer_name.__class__ }}",
    "{{ customer_name['__class__'] }}",
    "{{ customer_name|attr('__class__') }}",
    "{{ customer_name|safe }}",
    "{{ customer_name.format(customer_name) }}",
    "{{ '%s'|format(customer_name) }}",
    "{{ customer_name ~ customer_name }}",
    "{{ 'a' * 1000000000 }}",
    "{{ range(1000000000)|list }}",
    "{% for x in range(1000000000) %}{% endfor %}",
    "{% for x in customer_name %}{{ x }}{% endfor %}",
    "{% set x = 1 %}",
    "{% macro x() %}{% endmacro %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% extends 'mail.html' %}",
    "{% block x %}{% endblock %}",
    "{% call x() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% raw %}{{ customer_name }}",
    "{% autoescape false %}{{ customer_name }}{% endautoescape %}",
    "{% with x = 1 %}{% endwith %}",
    "{% if customer_name == 'x' %}a{% endif %}",
    "{% if loop %}a{% endif %}",
    "{{ [customer_name] }}",
    "{{ {'a': 1} }}",
    "{{ customer_name if customer_name else '' }}",
    "{{ unknown }}",
    "{{",
    "{% if customer_name %}",
    "{% if customer_name %}" * 200 + "x" + "{% endif %}" * 200,
    "x" * (OWN_BODY_MAX + 1),
]


@pytest.mark.shows("ASVS 1.3.5", "ASVS 1.3.7", "fault F7")
@pytest.mark.parametrize("part", ["subject", "body"])
@pytest.mark.parametrize("words", REACHING, ids=range(len(REACHING)))
def test_whatever_reaches_for_more_is_refused_with_its_part(words, part):
    own = OwnText(subject=words, body="b") if part == "subject" else OwnText(subject="a", body=words)
    with pytest.raises(BadWords) as refused:
        TEMPLATES.check("refund_succeeded", own)
    assert refused.value.part == part


@pytest.mark.parametrize(
    "words",
    ["Hello", "Hello {{ customer_name }}", "{% if customer_name and not reason %}a{% else %}{{ amount }}{% endif %}"],
)
def test_what_names_data_and_chooses_is_taken(words):
    TEMPLATES.check("refund_succeeded", OwnText(subject=words, body=words))


@pytest.mark.shows("ASVS 1.3.5")
@pytest.mark.parametrize("escaped", [True, False])
def test_the_sandbox_stands_behind_the_check(escaped):
    environment = _environment(autoescape=escaped)
    assert environment.undefined is StrictUndefined
    for words in ("{{ ''.__class__.__mro__ }}", "{{ cycler.__init__.__globals__ }}", "{{ [].append(1) }}"):
        with pytest.raises(SecurityError):
            environment.from_string(words).render()
