"""One small wrong thing at a time: every place of a module where one operator, constant or statement can be wrong.

Strings are left alone (they are what people read), and so are annotations, decorators and docstrings. Only code in
functions is mutated.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_DROPPED = (ast.Expr, ast.AugAssign, ast.Raise, ast.Continue, ast.Break)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One wrong version of a module. `function` is qualified; `original` and `mutated` are the code that differs."""

    module: str
    function: str
    line: int
    original: str
    mutated: str
    source: str

    @property
    def name(self) -> tuple[str, str, str, str]:
        """What stays the same when other lines of the module change."""
        return self.module, self.function, self.original, self.mutated


def _negated(test: ast.expr) -> ast.expr:
    return test.operand if isinstance(test, ast.UnaryOp) else ast.UnaryOp(op=ast.Not(), operand=test)


def _of_comparison(node: ast.Compare) -> Iterator[ast.AST]:
    for place, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            changed = copy.deepcopy(node)
            changed.ops[place] = other()
            yield changed


def _of_constant(node: ast.Constant) -> Iterator[ast.AST]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int):
        yield ast.Constant(node.value + 1)


def _of_return(node: ast.Return) -> Iterator[ast.AST]:
    for value in (None, True, False):
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is value):
            yield ast.Return(ast.Constant(value))


def _of_expression(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        yield from _of_comparison(node)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(op=ast.Or() if isinstance(node.op, ast.And) else ast.And(), values=node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        yield ast.BinOp(left=node.left, op=_ARITHMETIC[type(node.op)](), right=node.right)
    elif isinstance(node, ast.Constant):
        yield from _of_constant(node)


def _of_statement(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Return):
        yield from _of_return(node)
    elif isinstance(node, _DROPPED):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield ast.Pass()
    elif isinstance(node, ast.Assign) and not all(isinstance(target, ast.Name) for target in node.targets):
        yield ast.Pass()
    elif isinstance(node, ast.If | ast.IfExp | ast.While) and not isinstance(node.test, ast.Compare | ast.BoolOp):
        changed = copy.deepcopy(node)
        changed.test = _negated(changed.test)
        yield changed
    elif isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC:
        yield ast.AugAssign(target=node.target, op=_ARITHMETIC[type(node.op)](), value=node.value)


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield what a node holds: itself, the name of the field, the place in it, and the child."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        if isinstance(value, ast.AST):
            yield node, field, None, value
        elif isinstance(value, list):
            yield from ((node, field, place, item) for place, item in enumerate(value) if isinstance(item, ast.AST))


def _places(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, str, int | None, ast.AST, str]]:
    for parent, field, place, child in _children(node):
        inside = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inside = f"{function}.{child.name}" if function else child.name
        if isinstance(child, ast.arguments):
            continue
        yield parent, field, place, child, inside
        yield from _places(child, inside)


def _put(parent: ast.AST, field: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[place] = node


def _first_line(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text.split("\n", 1)[0] if isinstance(node, ast.If | ast.While) else text


def _changes(tree: ast.Module) -> Iterator[tuple[ast.AST, str, int | None, ast.AST, str, ast.AST]]:
    """Yield what can be put where: holder, field, place in it, what stands there, its function, what to put."""
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for holder, field, place, child, function in list(_places(tree, "")):
        if not functions.intersection(function.split(".")) or isinstance(child, ast.FunctionDef | ast.ClassDef):
            continue
        for changed in (*_of_expression(child), *_of_statement(child)):
            yield holder, field, place, child, function, changed


def mutant_names(module: str, source: str) -> set[tuple[str, str, str, str]]:
    """Return the names of all mutants of a module, without making them."""
    return {
        (module, function, _first_line(child), _first_line(changed))
        for _, _, _, child, function, changed in _changes(ast.parse(source))
    }


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module.

    Args:
        module: Its name, for the report.
        source: Its text.
    """
    tree = ast.parse(source)
    for holder, field, place, child, function, changed in _changes(tree):
        _put(holder, field, place, changed)
        text = ast.unparse(tree)
        _put(holder, field, place, child)
        yield Mutant(
            module=module,
            function=function,
            line=getattr(child, "lineno", 0),
            original=_first_line(child),
            mutated=_first_line(changed),
            source=text,
        )
