"""An OpenAPI document as one page to read: no script, nothing from elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from html import escape
from typing import Any

STYLE = """
:root{color-scheme:light dark;--line:#8883;--soft:#777;--blue:#2563a8}
@media(prefers-color-scheme:dark){:root{--blue:#7fb2ee}}
body{font:15px/1.55 -apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;margin:2rem auto 4rem;
max-width:64rem;padding:0 1.2rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .4rem}h3{font-size:.95rem;margin:1.4rem 0 .3rem}
a{color:var(--blue)}nav{columns:14rem;margin:1rem 0;font-size:.9rem}nav a{display:block;text-decoration:none}
details{border-top:1px solid var(--line)}summary{cursor:pointer;padding:.45rem 0;list-style:none;display:flex;gap:.8rem;
flex-wrap:wrap}summary b{font:600 .78rem/1.9 ui-monospace,monospace;width:4.2rem;color:var(--blue)}summary code{min-width:22rem}
code{font-family:ui-monospace,monospace;font-size:.88rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:.88rem;margin:.2rem 0 .9rem}td{border-top:1px solid var(--line);padding:.25rem .8rem
.25rem 0;vertical-align:top}td:first-child{width:15rem}.soft{color:var(--soft)}
"""
Spec = Mapping[str, Any]


def reader(title: str, spec: Spec) -> str:
    """The whole page: operations by what they are about, then the shapes of bodies."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path, methods in sorted(spec.get("paths", {}).items()):
        for method, operation in methods.items():
            groups[(operation.get("tags") or [""])[0]].append(_operation(path, method, operation))
    schemas = sorted(spec.get("components", {}).get("schemas", {}).items())
    links = "".join(f'<a href="#{escape(name)}">{escape(name or "…")} ({len(rows)})</a>' for name, rows in groups.items())
    sections = "".join(f'<h2 id="{escape(name)}">{escape(name)}</h2>{"".join(rows)}' for name, rows in groups.items())
    shapes = "".join(_schema(name, body) for name, body in schemas)
    return (
        f'<!doctype html><html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>"
        f'<p><a href="openapi.json">openapi.json</a> · OpenAPI {escape(str(spec.get("openapi", "")))}</p>'
        f"<nav>{links}</nav>{sections}<h2>Schemas</h2>{shapes}</html>"
    )


def _operation(path: str, method: str, operation: Spec) -> str:
    takes = "".join(
        _row(each["name"], f'{each.get("in", "")}{" *" if each.get("required") else ""}', each.get("description", ""))
        for each in operation.get("parameters", ())
    )
    body = "".join(
        _row("body *" if operation["requestBody"].get("required") else "body", media, _named(content.get("schema", {})))
        for media, content in operation.get("requestBody", {}).get("content", {}).items()
    )
    gives = " ".join(f"<code>{escape(code)}</code>" for code in operation["responses"])
    return (
        f"<details><summary><b>{escape(method.upper())}</b><code>{escape(path)}</code>"
        f'<span>{escape(operation.get("summary", ""))}</span></summary>'
        f'<table>{takes}{body}<tr><td class="soft">answers<td>{gives}<td></tr></table></details>'
    )


def _schema(name: str, body: Spec) -> str:
    required = set(body.get("required", ()))
    rows = "".join(
        _row(f"{field} *" if field in required else field, _named(shape), str(shape.get("description", "")))
        for field, shape in body.get("properties", {}).items()
        if isinstance(shape, Mapping)
    )
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><table>{rows}</table>'


def _named(shape: Spec) -> str:
    """A shape in a few words: the schema it refers to, or its type."""
    if "$ref" in shape:
        return str(shape["$ref"]).rsplit("/", 1)[-1]
    if shape.get("type") == "array":
        return f'[{_named(shape.get("items", {}))}]'
    kind = shape.get("type", "")
    words = [" | ".join(map(str, kind)) if isinstance(kind, list) else str(kind), str(shape.get("format", ""))]
    words += [" | ".join(map(str, shape.get("enum", ())))]
    return " ".join(filter(None, words))


def _row(*cells: str) -> str:
    first, *rest = (escape(str(cell)) for cell in cells)
    return f"<tr><td><code>{first}</code>{''.join(f'<td>{cell}' for cell in rest)}</tr>"
