"""The warehouse in BigQuery, written through the Storage Write API.

    schema.py     the tables and views, read from schemas/bigquery
    rows.py       SafeRow → the bytes of its row in each table
    append.py     many rows, one AppendRows stream for each table
    warehouse.py  the port's adapter: both tables, each tenant's own dataset

Nothing of Google's is imported before the first write.
"""

from shared.sinks.bigquery.warehouse import BigQueryWarehouse

__all__ = ["BigQueryWarehouse"]
