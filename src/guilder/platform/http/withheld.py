"""What is left out of an answer, and refused in a body, for one kind of caller.

Worked out once, from the types of a route: a tree of the names that are withheld, at whatever depth they stand. Where
nothing is withheld there is no tree, and nothing is done.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, RootModel
from pydantic.fields import FieldInfo

from guilder.kernel.errors import Forbidden
from guilder.platform.http.errors import path_of

_MANY = (list, tuple, set, frozenset, dict)

# Says of a model and the name of a field on the wire whether it is withheld.
IsWithheld = Callable[[type[BaseModel], str], bool]


class FieldNotYours(Forbidden):
    """This field is not yours to set."""

    code = "field_not_yours"


@dataclass(frozen=True, slots=True)
class Tree:
    """`names` are withheld here, `inside` is of what stands under a name, `each` of the items of a list or a map."""

    names: frozenset[str] = frozenset()
    inside: Mapping[str, "Tree"] = field(default_factory=dict)
    each: "Tree | None" = None

    @property
    def is_empty(self) -> bool:
        return not self.names and not self.inside and self.each is None


class Trees:
    """What is withheld in values of types; each model is looked at once. `is_sent`: by us, so by its names going out."""

    def __init__(self, is_withheld: IsWithheld, *, is_sent: bool) -> None:
        self._is_withheld, self._is_sent = is_withheld, is_sent
        self._known: dict[type[BaseModel], Tree] = {}

    def of(self, kind: Any) -> Tree | None:
        """Return what is withheld in a value of this type; None if nothing is."""
        found = self._of(kind, ())
        return None if found.is_empty else found

    def _of(self, kind: Any, above: tuple[type, ...]) -> Tree:
        origin = get_origin(kind)
        if origin is Annotated:
            return self._of(get_args(kind)[0], above)
        if origin in (Union, UnionType):
            return _both(self._of(each, above) for each in get_args(kind))
        if origin in _MANY:
            each = _both(self._of(part, above) for part in get_args(kind))
            return Tree() if each.is_empty else Tree(each=each)
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return Tree()
        assert kind not in above, f"{kind.__name__} holds itself: what of it is withheld has no end"
        if kind not in self._known:
            within = (*above, kind)
            is_root = issubclass(kind, RootModel)
            self._known[kind] = (
                self._of(kind.model_fields["root"].annotation, within) if is_root else self._of_model(kind, within)
            )
        return self._known[kind]

    def _of_model(self, kind: type[BaseModel], above: tuple[type, ...]) -> Tree:
        names: set[str] = set()
        inside: dict[str, Tree] = {}
        for name, info in kind.model_fields.items():
            called = names_of(name, info, is_sent=self._is_sent)
            if any(self._is_withheld(kind, each) for each in called):
                names.update(called)
                continue
            under = self._of(info.annotation, above)
            if not under.is_empty:
                inside.update(dict.fromkeys(called, under))
        return Tree(frozenset(names), inside)


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    """List the models that a type is made of."""
    seen: set[type[BaseModel]] = set()
    waiting = [kind]
    while waiting:
        found = waiting.pop()
        waiting += get_args(found)
        if isinstance(found, type) and issubclass(found, BaseModel) and found not in seen:
            seen.add(found)
            waiting += [each.annotation for each in found.model_fields.values()]
            yield found


def names_of(name: str, info: FieldInfo, *, is_sent: bool) -> tuple[str, ...]:
    """Return what a field is called on the wire; coming in, it may have several names."""
    if is_sent:
        return (info.serialization_alias or info.alias or name,)
    alias = info.validation_alias or info.alias or name
    if isinstance(alias, AliasChoices):
        return tuple(str(each) for each in alias.choices)
    return (str(alias),)


def left_out(tree: Tree, body: bytes) -> bytes:
    """Return an answer's JSON without what is withheld."""
    value = json.loads(body)
    _leave_out(tree, value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def refuse(tree: Tree, value: Any) -> None:
    """Let a body pass that sets nothing that is withheld; null sets nothing.

    :raises FieldNotYours: it does; names the field
    """
    path = next(_set(tree, value, ()), None)
    if path is not None:
        raise FieldNotYours(field=path_of(path))


def _both(trees: Iterable[Tree]) -> Tree:
    """Return what any of them withholds: which one a value is of is not asked."""
    found = Tree()
    for each in trees:
        inside = dict(found.inside)
        for name, under in each.inside.items():
            inside[name] = _both([inside[name], under]) if name in inside else under
        items = [one for one in (found.each, each.each) if one is not None]
        found = Tree(found.names | each.names, inside, _both(items) if items else None)
    return found


def _leave_out(tree: Tree, value: Any) -> None:
    if isinstance(value, dict):
        for name in tree.names:
            value.pop(name, None)
        for name, under in tree.inside.items():
            if name in value:
                _leave_out(under, value[name])
    if tree.each is not None:
        for each in _items(value):
            _leave_out(tree.each, each[1])


def _set(tree: Tree, value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        yield from ((*path, name) for name, said in value.items() if name in tree.names and said is not None)
        for name, under in tree.inside.items():
            if name in value:
                yield from _set(under, value[name], (*path, name))
    if tree.each is not None:
        for step, each in _items(value):
            yield from _set(tree.each, each, (*path, step))


def _items(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, list):
        return enumerate(value)
    return value.items() if isinstance(value, dict) else ()
