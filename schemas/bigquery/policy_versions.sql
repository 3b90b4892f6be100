-- Under which policy, issue of it and pseudonym key the current rows of each type were made: more than one line for a type means a change is under way.
SELECT
  resource_type,
  policy,
  policy_hash,
  generation,
  key_id,
  COUNTIF(NOT deleted) AS resources,
  COUNTIF(deleted) AS tombstones,
  MAX(committed_at) AS newest_committed_at
FROM `{project}.{dataset}.current_rows`
GROUP BY resource_type, policy, policy_hash, generation, key_id
