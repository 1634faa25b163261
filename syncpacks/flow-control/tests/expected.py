#!/usr/bin/env python3
"""What Jinja2 of Python makes of templates: writes expected.json, which jinja2.rs compares with.

Run it where Python has the package jinja2 (pip install jinja2==3.1.6):
    python3 expected.py > expected.json
"""

import json
import sys

import jinja2

DATA = {
    "event": {
        "id": 12503, "name": "disk full", "severity": "critical", "score": 4.5, "muted": False,
        "tags": ["disk", "db", "prod"], "owner": None, "device": {"id": "15", "ip": "10.2.11.154"},
        "note": "it's <b>\"hot\"</b> & ünïcode \u2713", "counts": {"b": 2, "a": 1, "c": 3},
    },
    "incidents": [
        {"number": "INC1", "sys_id": "x1", "open": True, "priority": 3, "events": [{"device": {"id": 7}}]},
        {"number": "INC2", "sys_id": "x2", "open": False, "priority": 1, "events": []},
        {"number": "INC3", "sys_id": "x3", "open": True, "priority": 2, "events": [{"device": {"id": 9}}]},
    ],
    "numbers": [3, 1, 2, 10, -4, 0],
    "words": ["pear", "Apple", "fig", "apple"],
    "empty": [], "nothing": None, "text": "Hello World", "n": 42, "x": 1.5, "yes": True,
}

TEMPLATES = r"""
plain text
{{ text }}
{{ event.name }} {{ event["severity"] }}
{{ event.tags[0] }} {{ event.tags[-1] }} {{ event.tags.1 }}
{{ event.tags[0:2] }} {{ event.tags[::-1] }} {{ text[1:4] }} {{ text[::-1] }}
{{ incidents.0.number }}{{ incidents.0.events.0.device.id }}
{{ missing }}|{{ event.missing }}|
{{ missing.attribute }}
{{ event.missing.more }}
{{ missing or "default" }}
{{ event.tags }} {{ event.counts }} {{ nothing }} {{ yes }} {{ event.muted }}
{{ x }} {{ n }} {{ 1.0 }} {{ 1e3 }} {{ 10 / 4 }} {{ 10 // 4 }} {{ 10 % 4 }} {{ 2 ** 10 }} {{ -7 // 2 }} {{ -7 % 3 }}
{{ 8 / 2 }} {{ 7 / 2 }} {{ 1 / 3 }}
{{ 1 / 0 }}
{{ "a" ~ 1 ~ true ~ none ~ 1.5 }}
{{ "a" + 1 }}
{{ "a" * 3 }} {{ [1] * 2 }}
{{ [1, 2] + [3] }} {{ (1, 2) + (3,) }}
{{ (1, "a", none) }} {{ (1,) }} {{ () }}
{{ {"a": 1, "b": [true, none]} }}
{{ "it's" }} {{ ["it's", 'a"b', "a\nb"] }}
{{ 1 < 2 }} {{ 1 == 1.0 }} {{ "a" < "b" }} {{ 1 == "1" }} {{ 1 != 2 }} {{ 1 < 2 < 3 }}
{{ 1 < "a" }}
{{ none == none }} {{ none is none }} {{ true == 1 }}
{{ 1 in [1, 2] }} {{ 3 not in [1, 2] }} {{ "ell" in text }} {{ "a" in event.counts }} {{ "disk" in event.tags }}
{{ true and false or true }} {{ not true }} {{ 1 and "x" }} {{ 0 or "y" }} {{ "" or none }}
{{ "yes" if yes else "no" }} {{ "yes" if nothing else "no" }} [{{ "x" if false }}]
{{ text if text is string else "?" }}
{% if n > 40 %}big{% elif n > 10 %}middle{% else %}small{% endif %}
{% if missing %}a{% else %}b{% endif %}
{% if empty %}a{% else %}b{% endif %}
{% for i in numbers %}{{ i }},{% endfor %}
{% for i in empty %}x{% else %}none{% endfor %}
{% for i in missing %}x{% else %}none{% endfor %}
{% for i in nothing %}x{% endfor %}
{% for i in n %}x{% endfor %}
{% for w in words %}{{ loop.index }}/{{ loop.length }}{{ w }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for w in words %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }} {% endfor %}
{% for w in words %}{{ loop.cycle("a", "b") }}{% endfor %}
{% for w in words %}{{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}
{% for w in ["a", "a", "b"] %}{{ loop.changed(w) }}{% endfor %}
{% for i in incidents if i.open %}{{ i.number }}{{ loop.index }} {% endfor %}
{% for k, v in event.counts.items() %}{{ k }}={{ v }};{% endfor %}
{% for k, v in event.counts|dictsort %}{{ k }}={{ v }};{% endfor %}
{% for k, v in event.counts|dictsort(false, "value") %}{{ k }}{% endfor %}
{% for k, v in event.counts|dictsort(reverse=true) %}{{ k }}{% endfor %}
{% for k in event.counts %}{{ k }}{% endfor %}
{% for k, v in event.counts|items %}{{ k }}{{ v }}{% endfor %}
{% for c in "abc" %}{{ c }}.{% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a }}-{{ b }} {% endfor %}
{% for a, b in [1, 2] %}{{ a }}{% endfor %}
{% for i in range(3) %}{{ i }}{% endfor %} {{ range(2, 8, 2)|list }} {{ range(5, 0, -2)|list }}
{% for i in numbers %}{% if i == 2 %}{% break %}{% endif %}{{ i }} {% endfor %}
{% for i in numbers %}{% if i == 2 %}{% continue %}{% endif %}{{ i }} {% endfor %}
{% for n in [[1, [2, [3]]]] recursive %}{% if n is iterable %}[{{ loop(n) }}]{% else %}{{ n }}{% endif %}{% endfor %}
{% set a = 1 %}{{ a }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a %}block {{ n }}{% endset %}{{ a }}
{% set a | upper %}block{% endset %}{{ a }}
{% set found = false %}{% for i in numbers %}{% set found = true %}{% endfor %}{{ found }}
{% set ns = namespace(found=false) %}{% for i in numbers %}{% if i > 5 %}{% set ns.found = i %}{% endif %}{% endfor %}{{ ns.found }}
{% set ns = namespace() %}{% set ns.total = 0 %}{% for i in numbers %}{% set ns.total = ns.total + i %}{% endfor %}{{ ns.total }}
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}
{% macro m(a, b=2) %}{{ a }}+{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(a=5) }}
{% macro m(a) %}[{{ caller() }}{{ a }}]{% endmacro %}{% call m(1) %}body{% endcall %}
{% macro m(x=[]) %}{{ x }}{% endmacro %}{{ m() }}{{ m([1]) }}
{% filter upper %}abc {{ text }}{% endfilter %}
{% raw %}{{ not.code }}{% endraw %}
{# a comment #}a{# another
 one #}b
  {%- if true -%}  x  {%- endif -%}  y
a {{- " b " -}} c
{%- set a = 1 %} {{ a }}
{% if true -%}
  x
{%- endif %}
line one
line two
{{ event.tags|join(", ") }} {{ numbers|join("-") }} {{ incidents|join(",", attribute="number") }} {{ [1, none, true]|join("/") }}
{{ text|upper }} {{ text|lower }} {{ "hello world"|title }} {{ "hELLO"|capitalize }} {{ "  x "|trim }}| {{ "xxaxx"|trim("x") }}
{{ text|length }} {{ event.tags|count }} {{ event.counts|length }}
{{ n|length }}
{{ text|replace("l", "L") }} {{ text|replace("l", "L", 1) }}
{{ text|first }} {{ numbers|first }} {{ numbers|last }} {{ empty|first }}|
{{ numbers|min }} {{ numbers|max }} {{ numbers|sum }} {{ incidents|sum(attribute="priority") }} {{ incidents|map(attribute="priority")|max }}
{{ numbers|sort }} {{ numbers|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }}
{{ incidents|sort(attribute="priority")|map(attribute="number")|list }}
{{ incidents|map(attribute="number")|list }} {{ words|map("upper")|list }} {{ numbers|map("string")|list }}
{{ incidents|map(attribute="missing", default="?")|list }} {{ incidents|map(attribute="events.0.device.id", default=0)|list }}
{{ incidents|selectattr("open")|map(attribute="number")|list }} {{ incidents|rejectattr("open")|map(attribute="number")|list }}
{{ incidents|selectattr("priority", "gt", 1)|map(attribute="number")|list }} {{ incidents|selectattr("priority", "in", [1, 2])|map(attribute="number")|join }}
{{ numbers|select("odd")|list }} {{ numbers|reject("odd")|list }} {{ numbers|select|list }} {{ numbers|select(">", 1)|list }}
{{ numbers|reverse|list }} {{ text|reverse }}
{{ words|unique|list }} {{ words|unique(true)|list }} {{ [1, 1, 2]|unique|list }}
{{ numbers|batch(4)|list }} {{ numbers|batch(4, 0)|list }} {{ numbers|slice(4)|list }}
{% for key, group in incidents|groupby("open") %}{{ key }}:{{ group|map(attribute="number")|join(",") }};{% endfor %}
{{ missing|default("d") }} {{ ""|default("d") }} {{ ""|default("d", true) }} {{ nothing|d("d") }} {{ none|d("d", true) }}
{{ 3.14159|round(2) }} {{ 2.5|round }} {{ 3.5|round }} {{ 2.4|round(method="ceil") }} {{ 2.6|round(0, "floor") }} {{ 1234.5|round(-2) }}
{{ "12"|int }} {{ "12.7"|int }} {{ "x"|int }} {{ "x"|int(7) }} {{ 3.9|int }} {{ "1.5"|float }} {{ "x"|float }} {{ "ff"|int(base=16) }} {{ "0x1A"|int(0, 16) }} {{ true|int }} {{ none|int }}
{{ -3|abs }} {{ (-3)|abs }} {{ 1.5|abs }}
{{ 5|string + "x" }} {{ true|string }} {{ none|string }} {{ [1, "a"]|string }}
{{ "abc"|list }} {{ event.counts|list }} {{ (1, 2)|list }}
{{ event|attr("name") }}|
{{ "a\nb\nc"|indent }}| {{ "a\nb"|indent(2, true) }} {{ "a\n\nb"|indent(2, blank=true) }} {{ "a\nb"|indent("> ") }}
{{ "%s is %d and %.2f"|format("x", 3, 1.5) }} {{ "%05d|%-5s|%x"|format(42, "a", 255) }}
{{ "<a href='x'>&\"</a>"|escape }} {{ "<b>"|e }} {{ "<b>"|safe }} {{ "<b>"|forceescape }}
{{ "<p>a <b>c</b></p>"|striptags }}
{{ "one two three four"|truncate(9) }} {{ "one two three four"|truncate(9, true) }} {{ "one two three four"|truncate(9, true, "") }} {{ "short"|truncate(3) }} {{ "one two three"|truncate(length=8, leeway=0, end="~") }}
{{ "a b  c"|wordcount }} {{ "abc def ghi"|wordwrap(5) }}
{{ "x"|center(5) }}| {{ "xy"|center(5) }}|
{{ 1000|filesizeformat }} {{ 1|filesizeformat }} {{ 123456789|filesizeformat }} {{ 1048576|filesizeformat(true) }} {{ 0|filesizeformat }}
{{ "a b&c/d?ü"|urlencode }} {{ {"a": 1, "b": "x y"}|urlencode }}
{{ {"class": "a", "id": none, "x": 1}|xmlattr }}
{{ event.counts|tojson }} {{ event.tags|tojson }} {{ text|tojson }} {{ none|tojson }} {{ true|tojson }} {{ 1.5|tojson }} {{ event.note|tojson }}
{{ event.device|tojson(indent=2) }} {{ []|tojson(2) }} {{ {}|tojson }}
{{ missing|tojson }}
{{ 1.0|tojson }} {{ 1e20|tojson }} {{ 1e-7|tojson }} {{ 123456789012345678|tojson }}
{{ text is defined }} {{ missing is defined }} {{ missing is undefined }} {{ nothing is none }} {{ n is number }} {{ x is float }} {{ n is integer }} {{ text is string }} {{ event is mapping }} {{ numbers is sequence }} {{ numbers is iterable }} {{ yes is boolean }} {{ yes is true }} {{ yes is false }} {{ text is sequence }} {{ event is sequence }} {{ yes is number }} {{ yes is integer }}
{{ 4 is even }} {{ 3 is odd }} {{ 9 is divisibleby(3) }} {{ 9 is divisibleby 3 }} {{ 3 is in([1, 3]) }} {{ 3 is eq 3 }} {{ 3 is ne(3) }} {{ 3 is gt 2 }} {{ 3 is lt 2 }} {{ 3 is ge 3 }} {{ 3 is le 2 }} {{ 3 is equalto(3) }} {{ "a" is lower }} {{ "A" is upper }} {{ 3 is sameas(3) }} {{ n is not none }} {{ "abs" is filter }} {{ "nope" is filter }} {{ "even" is test }}
{{ range is callable }} {{ n is callable }} {{ "<b>"|escape is escaped }} {{ "x" is escaped }}
{% set d = dict() %}{% set u = d.update({"a": 1, "b": n}) %}{{ d|tojson }} {{ u }}
{% set d = {} %}{% do d.update({"x": 1}) %}{% do d.update(y=2) %}{% do d.update([("z", 3)]) %}{{ d }}
{% set d = {"a": 1} %}{% do d.update(event.counts) %}{{ d }} {{ d.a }} {{ d["b"] }}
{% set d = dict(a=1, b=2) %}{{ d.get("a") }} {{ d.get("z") }} {{ d.get("z", 9) }} {{ d.pop("a") }} {{ d }} {{ d.pop("q", 5) }}
{% set d = dict(a=1) %}{{ d.pop("q") }}
{% set d = dict(a=1) %}{{ d.setdefault("a", 5) }} {{ d.setdefault("b", 6) }} {{ d }} {{ d.popitem() }} {{ d.copy() }}{% do d.clear() %}{{ d }}
{% set d = {"a": {"b": []}} %}{% do d.a.b.append(1) %}{% do d["a"]["b"].append(2) %}{{ d }}
{% set d = {} %}{% for i in incidents %}{% do d.update({i.number: i.priority}) %}{% endfor %}{{ d|tojson }}
{{ dict(a=1).items()|list }} {{ dict(a=1, b=2).keys()|list }} {{ dict(a=1, b=2).values()|list }} {{ dict([("a", 1)], b=2) }} {{ dict({"a": 1}) }}
{% set l = [] %}{% do l.append(1) %}{% do l.append("x") %}{{ l }} {{ l|length }}
{% set l = [3, 1, 2] %}{% do l.sort() %}{{ l }}{% do l.reverse() %}{{ l }}{% do l.insert(0, 9) %}{{ l }}{% do l.extend([7, 8]) %}{{ l }}{{ l.pop() }}{{ l.pop(0) }}{{ l }}{% do l.remove(7) %}{{ l }}{{ l.index(2) }}{{ l.count(1) }}
{% set l = [1, 2] %}{% set m = l %}{% do m.append(3) %}{{ l }} {% set c = l.copy() %}{% do c.append(4) %}{{ l }}{{ c }}{% do l.clear() %}{{ l }}
{% set l = [3, 1] %}{% do l.sort(reverse=true) %}{{ l }}
{% set l = [] %}{{ l.pop() }}
{% set l = [1] %}{% do l.remove(5) %}
{% set l = [1] %}{{ l.nope() }}
{% do event.update({"added": 1}) %}{{ event.added }}{% do event.tags.append("new") %}{{ event.tags }}
{% set l = "a,b".split(",") %}{% do l.append("c") %}{{ l }}
{% set l = numbers|sort %}{% do l.append(99) %}{{ l }}
{% set l = numbers|list %}{% do l.append(99) %}{{ l }} {{ numbers }}
{% set out = [] %}{% for i in incidents if i.open %}{% do out.append({"id": i.sys_id, "p": i.priority * 2}) %}{% endfor %}{{ out|tojson }}
{{ [1, 2, [3]] == [1, 2, [3]] }} {{ {"a": 1} == {"a": 1} }} {{ [1] == (1,) }} {{ [] == [] }} {{ {} == [] }} {{ event.tags == ["disk", "db", "prod"] }}
{{ [[1, 2], [3]][0][1] }} {{ {"a": [1]}["a"][0] }} {{ {"a": {"b": 2}}.a.b }} {{ [1, 2, 3][1:] }} {{ "x" in ["x"] }} {{ 1 if [] else 2 }}
{{ text.upper() }} {{ text.lower() }} {{ "hello world".title() }} {{ "hello".capitalize() }} {{ "aBc".swapcase() }} {{ "  x ".strip() }}| {{ "xxa".lstrip("x") }} {{ "axx".rstrip("x") }}
{{ text.split() }} {{ "a,b,c".split(",") }} {{ "a,b,c".split(",", 1) }} {{ "a,b,c".rsplit(",", 1) }} {{ "a  b".split() }} {{ "a  b".split(" ") }} {{ "a b c".rsplit() }} {{ "a\nb\r\nc".splitlines() }} {{ "a b c".rsplit(none, 1) }}
{{ text.replace("o", "0") }} {{ text.replace("o", "0", 1) }} {{ text.startswith("He") }} {{ text.endswith("ld") }} {{ text.startswith(("x", "H")) }} {{ text.find("o") }} {{ text.rfind("o") }} {{ text.find("zz") }} {{ text.find("o", 5) }} {{ text.index("W") }} {{ text.count("l") }}
{{ text.index("zz") }}
{{ "a-b-c".partition("-") }} {{ "a-b-c".rpartition("-") }} {{ "abc".partition("-") }} {{ "abc".rpartition("-") }}
{{ "42".zfill(5) }} {{ "-42".zfill(5) }} {{ "x".center(5) }}| {{ "x".ljust(3) }}| {{ "x".rjust(3, "0") }} {{ "ab".center(5, "*") }} {{ "abc".center(6, "*") }}
{{ "x1".isalnum() }} {{ "x".isalpha() }} {{ "12".isdigit() }} {{ "12".isdecimal() }} {{ "12".isnumeric() }} {{ "a".islower() }} {{ "A".isupper() }} {{ " ".isspace() }} {{ "Ab Cd".istitle() }} {{ "a_1".isidentifier() }} {{ "".isdigit() }} {{ "é".isascii() }}
{{ ", ".join(["a", "b"]) }} {{ "-".join("abc") }} {{ ",".join(event.tags) }}
{{ ",".join([1, 2]) }}
{{ "{} and {}".format(1, "b") }} {{ "{a}-{b:>4}".format(a=1, b=2) }} {{ "{0:.2f}|{1:05d}".format(1.5, 42) }} {{ "{:,}".format(1234567) }}
{{ "pre-x".removeprefix("pre-") }} {{ "x.txt".removesuffix(".txt") }} {{ "Straße".casefold() }} {{ "a\tb".expandtabs(4) }} {{ "it's ok".title() }}
{{ "%s-%s" % ("a", 1) }} {{ "%d%%" % 5 }}
{{ (3.0).is_integer() }} {{ (3.5).is_integer() }}
{{ text.nope() }}
{{ text|nope }}
{{ text is nope }}
{{ nope() }}
{{ n() }}
{{ 1 + }}
{% if true %}
{% for x in %}{% endfor %}
{{ "unclosed }}
{% nope %}
{{ event.tags[7] }}|{{ event.counts["q"] }}|
{{ numbers[1.5] }}|
{% set c = cycler("odd", "even") %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}
{% set j = joiner(", ") %}{% for w in words %}{{ j() }}{{ w }}{% endfor %}
{% set x = 5 %}{% if true %}{% set x = 6 %}{% endif %}{{ x }}
{{ [1, 2, 3]|map("multiply", 2)|list }}
{{ numbers|map("abs")|sum }} {{ words|map("replace", "p", "P")|join(" ") }} {{ words|map("length")|list }}
{{ [{"a": 1}, {"a": 2}]|map(attribute="a")|list }} {{ [[1, 2], [3, 4]]|map(attribute=1)|list }} {{ [[1, 2], [3, 4]]|map("first")|list }} {{ [[1, 2], [3]]|sum(start=[]) }}
{{ 10 > 5 and "big" or "small" }} {{ (n > 40) | string }} {{ not (n > 40) }} {{ n > 40 and not nothing }}
{{ -n }} {{ +n }} {{ - n + 2 }} {{ 2 * (3 + 4) }} {{ 2 + 3 * 4 }} {{ 7 % 3 * 2 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1.0e-5 }} {{ 100000.0 }} {{ 3 * 1.5 }} {{ 7.0 // 2 }} {{ 5.5 % 2 }}
{{ 99999999999999999999 }} {{ 9223372036854775807 + 1 }} {{ 2 ** 70 }}
{{ true + 1 }} {{ true * 3 }} {{ [true, 1]|sum }}
{{ "a" "b" }} {{ 'single' }} {{ "tab\tnew\\n" }} {{ "\u00e9" }}
{{ none.x }}
{{ none + 1 }}
{{ {"a": 1} + {"b": 2} }}
{{ [3, "a"]|sort }}
{{ "abc"|batch(2)|list }} {{ "abc"[-2:] }} {{ "abc"[10:] }} {{ (1, 2, 3)[1] }} {{ [1, 2, 3, 4][1:-1] }} {{ [1, 2, 3, 4][::2] }}
{% set output = {"sys_name": event["name"], "sys_ip": event.device["ip"]} %}{{output|tojson}}
{% set d=dict() %} {% set crupdate = d.update({'changes': empty, 'device': incidents.0.events.0.device.id, 'found': incidents.0.sys_id in empty, 'number': incidents.0.number }) %} {{ d|tojson }}
[{% for i in incidents %}{"n": {{ i.number|tojson }}, "d": {{ (i.events|first).device.id|default(none)|tojson if i.events else "null" }}}{{ "," if not loop.last }}{% endfor %}]
{% for i in incidents|sort(attribute="priority", reverse=true) %}{{ loop.index }}. {{ i.number }} ({{ "open" if i.open else "closed" }}){{ "\n" if not loop.last }}{% endfor %}
{% set rows = incidents|selectattr("open", "equalto", true)|list %}{{ rows|length }} {{ rows[0].number }} {{ (rows|first).sys_id }}
{% if event.tags is iterable and event.tags is not string and event.tags is not mapping %}list{% endif %}
{% set parts = event.device.ip.split(".") %}{{ parts[0] }}/{{ parts|last }} {{ parts|map("int")|sum }} {{ parts[:2]|join(".") }}
{{ event.score|int }} {{ event.score|round|int }} {{ "%.1f"|format(event.score) }} {{ event.id|string|length }} {{ event.severity|upper|replace("CRIT", "crit") }}
{% macro render(items, depth=0) %}{% for i in items %}{{ "  " * depth }}{{ i.n }};{% if i.c %}{{ render(i.c, depth + 1) }}{% endif %}{% endfor %}{% endmacro %}{{ render([{"n": 1, "c": [{"n": 2}]}, {"n": 3}]) }}
{{ namespace(a=1).a }} {{ namespace({"b": 2}).b }}
{% set ns = namespace(items=[]) %}{% for i in numbers %}{% if i > 1 %}{% set ns.items = ns.items + [i] %}{% endif %}{% endfor %}{{ ns.items }}
{{ event.items is defined }} {{ event.nope is defined }} {{ event["name"] is defined }} {{ event.owner is none }} {{ event.owner is defined }}
{{ event.name ~ ":" ~ event.score }} {{ event.device.id|int + 1 }} {{ event.device.id + "1" }}
{{ event.device.id + 1 }}
{{ words|sort|first }} {{ words|map("lower")|unique|sort|join(",") }} {{ words|select("in", ["fig"])|list }}
{{ (numbers|sort)[:3] }} {{ (numbers|sort|list)[-1] }} {{ numbers|sort(reverse=true)|first }}
{{ [1,2,3]|last }} {{ "é✓"|length }} {{ "é✓"[1] }} {{ "ÄÖ"|lower }} {{ "straße"|upper }}
{{ 5 is divisibleby 0 }}
{{ range(10)|select("even")|map("string")|join("") }}
{{ {"b": 1, "a": 2}|dictsort|list }} {{ {"b": 1, "a": 2}|items|list }} {{ {"b": 1, "a": 2}.items()|sort }} {{ {"x": 1}|length }}
{{ [none, 1, ""]|select|list }} {{ [none, 1, ""]|reject("none")|list }} {{ [none]|reject("none")|list }}
{{ "Hello"|replace("l", "") }} {{ ""|length }} {{ " "|trim|length }} {{ "x" * 0 }}|
{% for row in numbers|batch(2) %}{{ row|join(",") }};{% endfor %} {% for col in numbers|slice(3) %}{{ col|length }}{% endfor %}
{% for i in range(2) %}{% for j in range(2) %}{{ loop.index }}{{ loop.depth }}{{ i }}{{ j }} {% endfor %}{% endfor %}
{% for i in range(2) %}{% set outer = loop %}{% for j in range(2) %}{{ outer.index }}.{{ loop.index }} {% endfor %}{% endfor %}
{%   if   yes   %}spaces{%   endif   %}
{{text}}{{   text   }}
{{ "{{" }} {{ '}}' }} {{ "{%" }}
{{ text
   | upper
   | replace("L", "l") }}
""".strip("\n")


def cases():
    """A line is a template; lines that begin with white space, and those that an open tag
    or comment reaches, belong to the template before."""
    made = []
    for line in TEMPLATES.split("\n"):
        if made and (line.startswith(" ") or line in ("{%- endif %}", "line two")) and "%}  y" not in line:
            made[-1] += "\n" + line
        else:
            made.append(line)
    return made


def main():
    environment = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    table = []
    for template in cases():
        case = {"template": template}
        try:
            data = json.loads(json.dumps(DATA))
            case["makes"] = environment.from_string(template).render(**data)
        except Exception as error:  # whatever it is, the template has failed
            case["fails"] = f"{type(error).__name__}: {error}"
        table.append(case)
    json.dump({"jinja2": jinja2.__version__, "data": DATA, "cases": table}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
