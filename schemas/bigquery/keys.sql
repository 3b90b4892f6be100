-- Which resources there are and the version each is in, deletions included: keys only, nothing of what a resource says.
SELECT
  resource_type,
  key,
  sequence,
  version,
  generation,
  deleted
FROM `{project}.{dataset}.current_rows`
