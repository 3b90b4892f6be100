"""BigQuery on one machine: DuckDB behind the gRPC and REST interfaces that Google's clients speak.

    decode.py     a writer's protobuf schema and rows → values, or row errors
    append.py     gRPC: BigQueryWrite.AppendRows
    faults.py     what can be made to go wrong with it, and how BigQuery tells of it
    tables.py     tables and views in DuckDB's words: made, filled, altered without loss
    sql.py        GoogleSQL → DuckDB's SQL, and DuckDB's types → BigQuery's
    store.py      one DuckDB: tables with change data capture, views, one writing thread
    rest.py       REST: the part of BigQuery v2 that google-cloud-bigquery needs for tables and queries
    warehouse.py  both servers around one store

Kept as BigQuery keeps it: one bad row refuses its whole request; changes of a primary key are merged when they are
read, the largest sequence first; a table of changes takes no DML. Left out: write streams other than the default one,
jobs that load or copy, partitions, rights, the two days after which a DELETE is forgotten.
"""

from shared.local.bigquery.faults import Fault
from shared.local.bigquery.warehouse import Endpoints, Warehouse

__all__ = ["Endpoints", "Fault", "Warehouse"]
