"""schemas/bigquery: what people review is what BigQuery gets, what the sink sends, and what the views read."""

from copy import replace

import duckdb
import pytest
import sqlglot
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from shared.deid.row import SafeRow
from shared.local.bigquery.sql import BIGQUERY_TO_DUCKDB
from shared.sinks.bigquery import schema, wire
from shared.sinks.bigquery.columns import columns
from shared.sinks.bigquery.rows import encode
from tests.rows import ROW as SOME_ROW

ROW = replace(SOME_ROW, key="0a" * 16, sequence="1f/0/a/10000", resource={"resourceType": "Patient", "name": "Zoë"})


@pytest.mark.parametrize("name", schema.TABLES)
def test_a_table_has_the_columns_of_a_safe_row_and_each_is_described(name: str) -> None:
    resource = schema.table(name, "p", "d")
    match resource:
        case {"description": str(text), "schema": {"fields": [*described]}}:
            assert text
        case _:
            pytest.fail("no description or no fields")
    names = [column.name for column in columns(resource)]
    assert names == [name for name in SafeRow.__struct_fields__ if name != "project"] + ["committed_at"]
    assert all(column["description"] for column in described)
    assert resource["tableReference"] == {"projectId": "p", "datasetId": "d", "tableId": name}


def test_the_current_rows_have_a_primary_key_and_the_change_rows_have_none() -> None:
    current, changes = (schema.table(name, "p", "d") for name in schema.TABLES)
    assert current["tableConstraints"] == {"primaryKey": {"columns": ["resource_type", "key"]}}
    assert current["clustering"] == {"fields": ["resource_type", "key"]}
    assert "tableConstraints" not in changes
    assert changes["clustering"] == {"fields": ["key"]}


@pytest.mark.parametrize("name", schema.TABLES)
def test_the_writer_schema_is_the_table_with_change_columns_where_there_is_a_primary_key(name: str) -> None:
    resource = schema.table(name, "p", "d")
    sent = {field.name: field for field in wire.descriptor(name, schema.sent(name)).field}
    extra = {wire.CHANGE_TYPE, wire.CHANGE_SEQUENCE} if "tableConstraints" in resource else set()
    assert sent.keys() == {column.name for column in columns(resource)} | extra
    for column in columns(resource):
        assert (sent[column.name].label == FieldDescriptorProto.LABEL_REQUIRED) == column.required
    assert sent["committed_at"].type == FieldDescriptorProto.TYPE_INT64
    assert sent["resource"].type == FieldDescriptorProto.TYPE_STRING


def test_the_columns_have_the_same_numbers_in_both_tables() -> None:
    current, changes = (
        {field.name: field.number for field in wire.descriptor(name, schema.sent(name)).field} for name in schema.TABLES
    )
    assert changes.items() <= current.items()


def test_a_row_reads_back_as_it_was_written() -> None:
    encoded = encode(ROW, 1_700_000_000_000_001)
    change = wire.message(schema.CHANGES, schema.sent(schema.CHANGES)).FromString(encoded.change)
    current = wire.message(schema.CURRENT, schema.sent(schema.CURRENT)).FromString(encoded.current)
    for column in columns(schema.table(schema.CURRENT, "p", "d")):
        assert getattr(change, column.name) == getattr(current, column.name)
    assert getattr(current, "resource") == '{"resourceType":"Patient","name":"Zoë"}'  # noqa: B009 - made at run time
    assert getattr(current, wire.CHANGE_TYPE) == "UPSERT"
    assert getattr(current, wire.CHANGE_SEQUENCE) == ROW.sequence


@pytest.mark.parametrize("name", schema.VIEWS)
def test_a_view_is_described_and_reads_columns_that_its_table_has(name: str) -> None:
    view = schema.view(name, "a-project", "a_dataset")
    assert view["description"]
    match view:
        case {"view": {"query": str(query)}}:
            tree = sqlglot.parse_one(query, read="bigquery")
        case _:
            pytest.fail("no query")
    with duckdb.connect() as connection:
        connection.execute('ATTACH \':memory:\' AS "a-project"; CREATE SCHEMA "a-project".a_dataset')
        for table in (*schema.TABLES, schema.QUALITY):
            described = ", ".join(
                f"{c.name} {BIGQUERY_TO_DUCKDB[c.type]}" for c in columns(schema.table(table, "", ""))
            )
            connection.execute(f'CREATE TABLE "a-project".a_dataset.{table} ({described})')
        assert connection.execute(tree.sql("duckdb")).fetchall() == []
