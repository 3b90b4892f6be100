"""A dataset's current rows → the classes of a set of quasi-identifiers, by one GROUP BY in the warehouse.

    view `resources` → SQL → (size, diversity, told, how many classes)

Only these four leave the warehouse: no key, no value of a column, no row. All that stands in the SQL comes from risk.toml's
places, whose form is checked, and from two checked names: the name of a table can be no query parameter.

With an `endpoint` (one machine) there are no credentials; else the caller's own, which need to read the dataset.
"""

import re
from collections.abc import Sequence

from shared.deid.quasi import Place, QuasiSet
from shared.deid.risk import Class, Classes
from shared.errors import Code, Problem

_PROJECT = re.compile(r"[a-z][a-z0-9\-]{0,62}")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_WAIT = 300.0  # seconds for one query to end


class NoName(ValueError):
    """Not the name of a project or dataset."""


def ask(
    sets: Sequence[QuasiSet], project: str, dataset: str, endpoint: str, *, patience: float = 10
) -> dict[str, Classes]:
    """A set's id → its classes. `patience`: seconds for a warehouse that is silent. Raises Problem(WAREHOUSE_DOWN), NoName."""
    from google.api_core.client_options import ClientOptions
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import bigquery
    from google.cloud.bigquery.retry import DEFAULT_RETRY
    from requests import RequestException

    def classes(client: bigquery.Client, of: QuasiSet) -> Classes:
        rows = client.query_and_wait(
            sql(of, project, dataset),
            retry=DEFAULT_RETRY.with_timeout(patience),
            job_retry=None,
            api_timeout=patience,
            wait_timeout=_WAIT,
        )
        return {Class(row["size"], row["diversity"], row["told"]): row["classes"] for row in rows}

    credentials, options = (AnonymousCredentials(), ClientOptions(api_endpoint=endpoint)) if endpoint else (None, None)
    try:
        with bigquery.Client(project, credentials, client_options=options) as client:
            return {one.id: classes(client, one) for one in sets}
    except (GoogleAPIError, GoogleAuthError, RequestException, TimeoutError) as error:
        raise Problem(Code.WAREHOUSE_DOWN, type(error).__name__) from None


def sql(of: QuasiSet, project: str, dataset: str) -> str:
    """The question in GoogleSQL. Raises NoName."""
    if not _PROJECT.fullmatch(project) or not _DATASET.fullmatch(dataset):
        raise NoName
    quasi = ",\n      ".join(_all(place) for place in of.places)
    sensitive, patient = of.sensitive.place, _value(of.sensitive.patient)[0]
    value, tables, found = _value(sensitive)
    rows = f"`{project}.{dataset}.resources`"
    conditions = [f"resource_type = '{sensitive.resource_type}'", f"{value} IS NOT NULL", *found]
    return f"""
WITH person AS (
  SELECT CONCAT('Patient/', key) AS patient, TO_JSON_STRING([
      {quasi}
    ]) AS class
  FROM {rows} WHERE resource_type = 'Patient'
), held AS (
  SELECT DISTINCT {patient} AS patient, {value} AS value
  FROM {", ".join([rows, *tables])}
  WHERE {" AND ".join(conditions)}
), all_held AS (
  SELECT patient, TO_JSON_STRING(ARRAY_AGG(value ORDER BY value)) AS together FROM held GROUP BY patient
), classes AS (
  SELECT class, COUNT(*) AS size, COUNT(DISTINCT COALESCE(together, '')) AS diversity
  FROM person LEFT JOIN all_held USING (patient) GROUP BY class
), holders AS (
  SELECT class, value, COUNT(*) AS number FROM person JOIN held USING (patient) GROUP BY class, value
), commonest AS (
  SELECT class, MAX(number) AS number FROM holders GROUP BY class
)
SELECT size, diversity, COALESCE(number = size, FALSE) AS told, COUNT(*) AS classes
FROM classes LEFT JOIN commonest USING (class)
GROUP BY size, diversity, told
"""  # noqa: S608 - every name in it was checked


def _all(place: Place) -> str:
    """The different values at a place of `resource`, as one string."""
    value, tables, found = _value(place)
    if not tables:
        return f"COALESCE({value}, '')"
    where = " AND ".join([f"{value} IS NOT NULL", *found])
    return f"TO_JSON_STRING(ARRAY(SELECT DISTINCT {value} AS v FROM {', '.join(tables)} WHERE {where} ORDER BY v))"  # noqa: S608


def _value(place: Place) -> tuple[str, list[str], list[str]]:
    """The expression for a value, the arrays that it is found in, and the conditions on them."""
    root, way = "resource", "$"
    tables: list[str] = []
    conditions: list[str] = []
    for step in place.steps:
        way += f".{step.name}"
        if step.each or step.url:
            item = f"item{len(tables)}"
            tables.append(f"UNNEST(JSON_QUERY_ARRAY({root}, '{way}')) AS {item}")
            if step.url:
                conditions.append(f"JSON_VALUE({item}, '$.url') = '{step.url}'")
            root, way = item, "$"
    value = f"JSON_VALUE({root}, '{way}')"
    return (f"SUBSTR({value}, 1, 4)" if place.year else value), tables, conditions
