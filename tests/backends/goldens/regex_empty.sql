-- The empty regular expression
-- dcea7b9c-be98-5154-8331-bcaa1dce2093, for Sysmon as JSON
-- fidelity: exact
SELECT
  *
FROM sysmon
WHERE
  (
    TRY_CAST("EventID" AS BIGINT) = 22
    AND (
      NULLIF("Channel", '') IS NULL
      OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
    )
  )
  AND REGEXP_MATCHES(NULLIF("QueryName", ''), '')
