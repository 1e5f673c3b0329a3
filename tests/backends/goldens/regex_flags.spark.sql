-- Regular expressions with flags
-- c296d1b7-7e2e-5fc9-bfd4-36365e7eabb3, for Sysmon as JSON
-- fidelity: exact
SELECT
  *
FROM sysmon
WHERE
  (
    TRY_CAST(`EventID` AS BIGINT) = 1
    AND (
      NULLIF(`Channel`, '') IS NULL OR `Channel` = 'Linux-Sysmon/Operational'
    )
  )
  AND NULLIF(`CommandLine`, '') RLIKE '(?i)^cmd.+/c\\b'
  AND NULLIF(`User`, '') RLIKE '(?ms)^a.b$'
