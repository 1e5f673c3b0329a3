-- Numbers in columns of text and of numbers
-- d2332509-9c4c-5850-971f-cb9450de3299, for Sysmon as JSON
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
  AND TRY_CAST("ProcessId" AS BIGINT) = 4
  AND "CommandLine" = '42'
