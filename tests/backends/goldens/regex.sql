-- A regular expression
-- 12a4a646-9f57-50d3-a720-e47813206275, for Sysmon as JSON
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
  AND REGEXP_MATCHES(NULLIF("CommandLine", ''), 'https?://\d{1,3}(?:\.\d{1,3}){3}/[a-z]+\.(?:exe|dll)$')
