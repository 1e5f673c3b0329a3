-- All of them
-- f6e0faf5-7002-5e45-b158-090aa01f178d, for Sysmon as JSON
-- fidelity: exact
SELECT
  *
FROM sysmon
WHERE
  (
    TRY_CAST("EventID" AS BIGINT) = 1
    AND (
      NULLIF("Channel", '') IS NULL
      OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
    )
  )
  AND LOWER("CommandLine") LIKE '%vssadmin%'
  AND LOWER("CommandLine") LIKE '%delete%'
  AND LOWER("CommandLine") LIKE '%shadows%'
