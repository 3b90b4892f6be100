-- Every version of every resource once, deletions included: the first copy of each (resource_type, key, sequence).
SELECT
  resource_type,
  key,
  sequence,
  version,
  generation,
  deleted,
  policy,
  policy_hash,
  key_id,
  resource,
  committed_at
FROM `{project}.{dataset}.change_rows`
QUALIFY ROW_NUMBER() OVER (PARTITION BY resource_type, key, sequence ORDER BY committed_at) = 1
