-- Regular expressions with flags
-- c296d1b7-7e2e-5fc9-bfd4-36365e7eabb3, for Sysmon as JSON
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
  AND REGEXP_MATCHES(NULLIF("CommandLine", ''), '(?i)^cmd.+/c\b')
  AND REGEXP_MATCHES(NULLIF("User", ''), '(?ms)^a.b$')
