-- Two fields with one value
-- 2949e891-ad48-5e4f-a887-668597fa4998, for Sysmon as JSON
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
  AND LOWER(NULLIF("CommandLine", '')) = LOWER(NULLIF("User", ''))
