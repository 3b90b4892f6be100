-- The resources as they are now: the newest version of each, without those that were deleted or erased.
SELECT
  resource_type,
  key,
  sequence,
  version,
  generation,
  policy,
  policy_hash,
  key_id,
  resource,
  committed_at
FROM `{project}.{dataset}.current_rows`
WHERE NOT deleted
