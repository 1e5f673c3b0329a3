-- Two fields with different values
-- c9f75673-12a5-5e42-bc50-36c9503851e5, for Sysmon as JSON
-- fidelity: exact
SELECT
  *
FROM sysmon
WHERE
  (
    TRY_CAST("EventID" AS BIGINT) = 1
    AND (
      NULLIF("Channel", '') IS NULL OR "Channel" = 'Linux-Sysmon/Operational'
    )
  )
  AND LOWER("Image") LIKE '%/sh'
  AND NOT COALESCE(LOWER(NULLIF("CommandLine", '')) = LOWER(NULLIF("User", '')), FALSE)
