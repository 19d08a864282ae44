"""What Grafana does with the SQL of a panel before it sends it to PostgreSQL.

The macros are those of Grafana's own data source for PostgreSQL, without TimescaleDB:

| macro | SQL |
| --- | --- |
| `$__timeFilter(column)` | `column BETWEEN 'from' AND 'to'` |
| `$__timeTo()` | `'to'` |
| `$__timeGroupAlias(column, 10s, fill)` | `floor(extract(epoch from column)/10)*10 AS "time"` |
| `$__interval`, `$__interval_ms` | `10s`, `10000` |
| `$name` | the text of a variable; of one with several values, each in quotes |

Grafana itself adds the intervals without rows, with the value `fill`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime


def expand(
    sql: str,
    start: datetime,
    end: datetime,
    interval_s: int,
    variables: Mapping[str, str | Sequence[str]],
) -> str:
    """Return `sql` with the macros and variables replaced.

    Raises:
        AssertionError: There is a macro or variable that this function does not know.
    """

    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    for name, given in variables.items():
        text = given if isinstance(given, str) else ",".join(map(quoted, given))
        sql = re.sub(rf"\${name}\b", lambda _, text=text: text, sql)
    sql = sql.replace("$__interval_ms", str(interval_s * 1000))
    sql = sql.replace("$__interval", f"{interval_s}s")
    group = rf'floor(extract(epoch from \1)/{interval_s})*{interval_s} AS "time"'
    sql = re.sub(rf"\$__timeGroupAlias\((\w+), {interval_s}s, (?:NULL|0)\)", group, sql)
    between = f"BETWEEN '{start.isoformat()}' AND '{end.isoformat()}'"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 {between}", sql)
    sql = sql.replace("$__timeTo()", f"'{end.isoformat()}'")
    assert "$" not in sql, sql
    return sql
