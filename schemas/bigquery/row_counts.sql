-- How many resources of each type there are, how many were deleted or erased, and how many versions were ever written.
SELECT
  current_counts.resource_type,
  current_counts.resources,
  current_counts.tombstones,
  change_counts.versions
FROM (
  SELECT
    resource_type,
    COUNTIF(NOT deleted) AS resources,
    COUNTIF(deleted) AS tombstones
  FROM `{project}.{dataset}.current_rows`
  GROUP BY resource_type
) AS current_counts
JOIN (
  SELECT
    resource_type,
    COUNT(DISTINCT CONCAT(key, ' ', sequence)) AS versions
  FROM `{project}.{dataset}.change_rows`
  GROUP BY resource_type
) AS change_counts ON change_counts.resource_type = current_counts.resource_type
