"""Mails and SMS from templates: what is in the data is text, in HTML, in plain text and in a subject alike.

A folder of templates holds:

    kinds.toml       what each kind of message consists of: tone, facts, button, and the data that it asks for
    words/<xx>.toml  what it says, by language; a sentence may name data: "Your payment of {{ amount }} failed."
    mail.html, mail.txt, mail.css   one frame for all of them

The words are templates, ours, and rendered in a sandbox; the data are strings, anyone's, and never rendered as templates.
Somebody else's words for subject and text (`OwnText`) may name data and choose by whether they are there, and nothing more:
no attribute, no call, no loop, no filter; and they are text, in HTML too.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import css_inline
from jinja2 import BaseLoader, StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from guilder.platform.words import FALLBACK, language_of, printable

SUBJECT_LENGTH_MAX = 200
SMS_LENGTH_MAX = 480  # three messages of 160
DATUM_LENGTH_MAX = 4_000
OWN_SUBJECT_MAX = 200
OWN_BODY_MAX = 5_000
OWN_DEPTH_MAX = 30  # of choices within choices: a few hundred more are no program any more
COMPILED_MAX = 2_000

_TOO_DEEP = f"choices within choices, more than {OWN_DEPTH_MAX} deep"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
# Spaces that do not break and the like: one alone makes a text message cost twice, since its own alphabet lacks them.
_DEAR = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"})
_LINK = re.compile(r"https?://[^\s\"'<>\\]+")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")
_DEFAULT_COLOUR = "#1f2937"
# All that somebody else's words may consist of.
_ALLOWED = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.If, nodes.Not, nodes.And, nodes.Or)


class CannotRender(Exception):
    """The data lack something that the message asks for, or hold something that no message may carry."""


class BadWords(Exception):
    """Words of somebody else's that say more than data and choices. `line` counts from 1."""

    def __init__(self, reason: str, *, part: str, line: int) -> None:
        self.reason = reason
        self.part = part
        self.line = line
        super().__init__(f"{part}, line {line}: {reason}")


@dataclass(frozen=True, slots=True)
class OwnText:
    """Somebody else's words for a subject and a text, whose paragraphs a blank line parts."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Brand:
    """Who seems to write: the issuer's name, colour ("#rrggbb"), logo (https), address and the mailbox for answers."""

    name: str
    colour: str = _DEFAULT_COLOUR
    logo_url: str = ""
    address: str = ""
    support_email: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message, ready to be sent; `sms` is None where the kind has none."""

    subject: str
    html: str
    text: str
    sms: str | None


class Templates:
    """The templates of one room, read once and rendered often."""

    def __init__(self, package: str, folder: str = "templates") -> None:
        root = resources.files(package) / folder
        self._kinds = _toml(root / "kinds.toml")
        self._words = {
            each.name.removesuffix(".toml"): _toml(each)
            for each in (root / "words").iterdir()
            if each.name.endswith(".toml")
        }
        self._css = (root / "mail.css").read_text("utf-8")
        self._inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)
        self._as_text = _environment(autoescape=False)
        self._as_html = _environment(autoescape=True)
        self._compiled: dict[tuple[str, bool], Template] = {}
        self._html = self._as_html.from_string((root / "mail.html").read_text("utf-8"))
        self._text = self._as_text.from_string((root / "mail.txt").read_text("utf-8"))

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    @property
    def sms_kinds(self) -> frozenset[str]:
        """Return the kinds that are also said by SMS."""
        return frozenset(kind for kind, said in self._words[FALLBACK].items() if kind in self._kinds and "sms" in said)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(sorted(self._words))

    def names_of(self, kind: str) -> tuple[str, ...]:
        """Return what the words of a kind may name."""
        shape = self._kinds[kind]
        return ("brand_name", *shape["needs"], *shape.get("may_have", []))

    def check(self, kind: str, own: OwnText) -> None:
        """Let words of somebody else's pass.

        :raises BadWords: they are too long, or say more than data and choices; with the line
        """
        for part, text, length in (("subject", own.subject, OWN_SUBJECT_MAX), ("body", own.body, OWN_BODY_MAX)):
            if not text.strip():
                raise BadWords("it is empty", part=part, line=1)
            if len(text) > length:
                raise BadWords(f"longer than {length} letters", part=part, line=1)
            try:
                tree = self._as_text.parse(text)
            except TemplateSyntaxError as error:
                raise BadWords(error.message or "not a template", part=part, line=error.lineno) from error
            except RecursionError as error:
                raise BadWords(_TOO_DEEP, part=part, line=1) from error
            if _is_deeper(tree, OWN_DEPTH_MAX):
                raise BadWords(_TOO_DEEP, part=part, line=1)
            _refuse_more(tree, self.names_of(kind), part)

    def render(
        self,
        kind: str,
        language: str,
        data: Mapping[str, str],
        *,
        brand: Brand,
        own: OwnText | None = None,
        more: str = "",
    ) -> Rendered:
        """Return the message of this kind in this language, or in English where we have no words in it.

        `own` are somebody else's subject and text, which have passed `check`; where they no longer hold, ours are said.
        `more` is a link by which its reader can choose to have no more of it.

        :raises CannotRender: a datum is missing, too long, or a link that is none
        """
        shape = self._kinds[kind]
        spoken = language_of(language)
        words = self._words.get(spoken, self._words[FALLBACK])
        values = _checked(shape, {**data, "brand_name": brand.name})
        said = self._with_own(words[kind], own, values)
        subject = self._say(said["subject"], values)
        view = {
            "language": spoken if spoken in self._words else FALLBACK,
            "tone": shape["tone"],
            "brand": _brand(brand),
            "subject": subject,
            "button": said.get("button", ""),
            "link": values.get(shape.get("button", ""), ""),
            "facts": [(words["labels"][each], values[each]) for each in shape["facts"] if values[each]],
            "common": words["common"],
            "unsubscribe_url": more if _LINK.fullmatch(more) else "",
        }
        return Rendered(
            subject=printable(subject, breaks=" ").strip()[:SUBJECT_LENGTH_MAX],
            html=self._frame_html(view, said, values),
            text=self._text.render(**view, **self._body(said, values, html=False)).strip() + "\n",
            sms=_short(printable(self._say(said["sms"], values), breaks=" ")) if "sms" in said else None,
        )

    def _frame_html(self, view: Mapping[str, Any], said: Mapping[str, Any], values: Mapping[str, str]) -> str:
        page = self._html.render(**view, **self._body(said, values, html=True), css=Markup(self._css))  # noqa: S704  (our own file)
        return str(self._inliner.inline(page))

    def _with_own(self, ours: Mapping[str, Any], own: OwnText | None, values: Mapping[str, str]) -> Mapping[str, Any]:
        """Put somebody else's words in the place of ours; `said` are paragraphs that are written out already."""
        if own is None:
            return ours
        try:
            subject = self._say(own.subject, values)
            body = self._say(own.body, values)
        except TemplateError:
            return ours  # what it names is no longer given: better ours than nothing
        return {**ours, "subject": own.subject if subject else ours["subject"], "said": _PARAGRAPHS.split(body)}

    def _body(self, said: Mapping[str, Any], values: Mapping[str, str], *, html: bool) -> dict[str, Any]:
        # What is not ours stays a plain string: the frame escapes it whole.
        paragraphs = said.get("said") or [self._say(each, values, html=html) for each in said["paragraphs"]]
        return {
            "heading": self._say(said["heading"], values, html=html),
            "preview": self._say(said["preview"], values, html=html),
            "paragraphs": [each for each in paragraphs if each],
        }

    def _say(self, sentence: str, values: Mapping[str, str], *, html: bool = False) -> str:
        if (sentence, html) not in self._compiled:
            if len(self._compiled) >= COMPILED_MAX:
                self._compiled.clear()
            self._compiled[sentence, html] = (self._as_html if html else self._as_text).from_string(sentence)
        said = self._compiled[sentence, html].render(values).strip()
        # The environment has escaped the data, and the sentence around them is ours.
        return Markup(said) if html else said  # noqa: S704


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=BaseLoader(), autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _refuse_more(tree: nodes.Template, names: Iterable[str], part: str) -> None:
    known = sorted(names)
    for node in _within(tree):
        if not isinstance(node, _ALLOWED):
            what = type(node).__name__.lower()
            raise BadWords(
                f"only {{{{ data }}}} and {{% if data %}} are understood here, no {what}", part=part, line=node.lineno
            )
        if isinstance(node, nodes.Name) and node.name not in known:
            raise BadWords(f"there is no {node.name}; there are {', '.join(known)}", part=part, line=node.lineno)


def _is_deeper(tree: nodes.Node, depth_max: int) -> bool:
    level = [tree]
    for _ in range(depth_max):
        level = [child for node in level for child in node.iter_child_nodes()]
    return bool(level)


def _within(node: nodes.Node) -> Iterable[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _within(child)


def _toml(file: Traversable) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8"))


def _checked(shape: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, str]:
    """Return what the message may use, made printable; what may be left out is empty."""
    _refuse_missing(set(shape["needs"]) - data.keys())
    values = dict.fromkeys(shape.get("may_have", []), "") | {name: printable(value) for name, value in data.items()}
    for name, value in values.items():
        if len(value) > DATUM_LENGTH_MAX:
            raise CannotRender(f"{name} is longer than {DATUM_LENGTH_MAX} letters")
        if name.endswith("_url") and value and not _LINK.fullmatch(value):
            raise CannotRender(f"{name} is not an http(s) link")
    return values


def _refuse_missing(names: Iterable[str]) -> None:
    missing = sorted(names)
    if missing:
        raise CannotRender(f"missing: {', '.join(missing)}")


def _short(text: str) -> str:
    return text.translate(_DEAR)[:SMS_LENGTH_MAX]


def _brand(brand: Brand) -> dict[str, str]:
    """Return the brand without what could break out of a style or lead elsewhere: a mail goes out plainer, not never."""
    colour = brand.colour if _COLOUR.fullmatch(brand.colour) else _DEFAULT_COLOUR
    logo = brand.logo_url if brand.logo_url.startswith("https://") and _LINK.fullmatch(brand.logo_url) else ""
    return {
        "name": printable(brand.name, breaks=" "),
        "colour": colour,
        "on_colour": "#ffffff" if _is_dark(colour) else "#111827",
        "logo_url": logo,
        "address": printable(brand.address, breaks=" · "),
        "support_email": printable(brand.support_email, breaks=""),
    }


def _is_dark(colour: str) -> bool:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red * 299 + green * 587 + blue * 114 < 150_000
