-- With regard to case
-- aee520a1-6612-5bd1-9022-40c34dbcb649, for Sysmon as JSON
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
  AND "CommandLine" LIKE '%IEX%'
  AND "User" = 'NT AUTHORITY\SYSTEM'
