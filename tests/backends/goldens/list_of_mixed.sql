-- A list with wildcards, null and text
-- fa1d82a3-48a4-55a4-bc9c-6f986d23f823, for Sysmon as JSON
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
  AND (
    LOWER("QueryName") LIKE '%.onion'
    OR NULLIF("QueryName", '') IS NULL
    OR LOWER("QueryName") = 'exact.example'
  )
