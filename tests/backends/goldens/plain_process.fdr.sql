-- An encoded command of PowerShell
-- 0404416d-f711-53fe-99e2-c0668f6155d3, for CrowdStrike Falcon Data Replicator
-- fidelity: exact
SELECT
  *
FROM fdr
WHERE
  (
    "event_simpleName" IN ('ProcessRollup2', 'SyntheticProcessRollup2')
    AND "event_platform" = 'Win'
  )
  AND LOWER("ImageFileName") LIKE '%\powershell.exe'
  AND (
    LOWER("CommandLine") LIKE '% -enc %'
    OR LOWER("CommandLine") LIKE '% -encodedcommand %'
  )
