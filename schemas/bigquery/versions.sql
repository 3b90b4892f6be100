-- Every version that was ever written of every resource, once: names only, nothing of what a resource says.
SELECT
  resource_type,
  key,
  version,
  MAX(generation) AS generation,
  deleted
FROM `{project}.{dataset}.change_rows`
GROUP BY resource_type, key, version, deleted
