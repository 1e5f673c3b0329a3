-- Wildcards inside, and any one character
-- 521ee5f0-1512-5650-b2da-c0981fb757ae, for Sysmon as JSON
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
  AND (
    LOWER("CommandLine") LIKE 'net% user % /add'
    OR LOWER("CommandLine") LIKE 'wh_ami'
  )
