"""Runbooks: what each red task means and what to do. They are the DAGs' pages in the Airflow UI."""

from __future__ import annotations

EXIT_CODES = """
### Exit codes

| code | what it says | Airflow | what to do |
|---|---|---|---|
| 64 | the request or the config is wrong | fails at once | read the line; start a new run with another config |
| 65 | an input is corrupt, or another policy's | fails at once | `ddpo verify RUN` names the file; restore it, clear |
| 66 | an input or the base model is not there | fails at once | did retention or a person remove it? |
| 73 | the output exists, from another request | fails at once | a new run id is a new place; delete no commit |
| 75 | a service was away, or too many rewards missing | retries, with back-off | mend the service, then clear |
| other, or a signal | nobody knows: out of memory, a lost machine | retries | read the log's last lines, clear |

**Clearing is safe.** A step that is committed does no work the second time, and two attempts at once commit once.
"""

ITERATION_RUNBOOK = f"""
## One iteration

`plan` → `prompts` → [`sampling` → `scoring`] a shard → `training` → evaluation when due → `track` → `decide`

A run `RUN` at iteration 7 is the DAG run `RUN-it-0007`. Its state lies in the store, not here:
`ddpo show RUN` prints it, `ddpo stop RUN` ends it after the iteration that is running.

| red task | look at |
|---|---|
| `plan` | 66: no such run in this store. Was DDPO_STORE another one when it was opened? |
| `prompts` | the prompt list or the evaluation set named in the config |
| `shards.sampling` | 66: the base model's directory or hub id; out of memory: a smaller `sampler.batch` |
| `shards.scoring` | 75: the scorer's service |
| `training` | 65 "ratio": sampler and trainer disagree: versions differ. Nothing was trained |
| `training` | 75 "missing": more than a twentieth of the rewards are missing; mend the scorer and clear `shards` |
| `evaluation_shards`, `evaluation` | as above; 66 "evaluations/prompts": the run was not opened by `ddpo_retrain` |
| `track` (skipped, not red) | MLflow was away. The next iteration or `ddpo track RUN` replays everything |
| `report` (skipped, not red) | its log says why; `ddpo report RUN` makes one by hand |
| `register` | MLflow's registry; clear it when it is back |
| `trigger_promote` | `ddpo_promote` is missing or does not parse; clear it, or `ddpo promote RUN` |

Skipped `evaluation`: not due. Skipped `trigger_next` or `register`: the other was chosen, or the next run exists.
`decide` writes one line on the guard's verdict. Where no policy is fit, it registers nothing and says so.
What to do about a verdict: docs/runbooks/the-guard-stopped-a-run.md and the-guard-warns.md.
{EXIT_CODES}"""

RETRAIN_RUNBOOK = f"""
## A campaign

`open_run` → `evaluation_prompts` → baseline [`sampling` → `scoring`] → `baseline` → `track` → `trigger_first` → wait

Choose a preset, and change what you like: one `key=value` a line. A run id that exists with the same config goes on
where it is; with another config it is refused. To resume a run, leave the preset empty and give its run id.

A preset is trained again only where something is new since its last run: prompts, reward, base, seed, settings or
release, each named in the log of `open_run`. Nothing new: everything is skipped, and the run is green. `force` trains
all the same. One campaign of a preset at a time; several presets may run at once.

| red task | look at |
|---|---|
| `open_run` | one line says what is wrong with the form, the store or the base model; trigger again |
| `open_run` | 73 "is not finished": an earlier campaign of this preset. `ddpo resume` or `ddpo stop` it |
| `open_run` | 64 "belongs to the base": docs/runbooks/champion-of-another-base.md |
| `baseline_shards`, `baseline` | the judge's or the reward's weights; the base model |
| `begin` | 64 "requires an audit": docs/runbooks/audit-a-reward.md |
| `wait_for_the_end` | an iteration failed: mend and clear it in `ddpo_iteration`, then clear this task |
| `wait_for_the_end` | "the loop is dead": docs/runbooks/dead-loop.md |

`wait_for_the_end` holds no worker. Its result, when green, is the campaign's outcome in one line.

### The environment

| variable | default | is |
|---|---|---|
| DDPO_RETRAIN_SCHEDULE | none | a cron line; none: only by hand |
| DDPO_RETRAIN_PRESET | demo | what a scheduled run trains |
| DDPO_RETRAIN_START | base | `champion` goes on from the model's champion |
| DDPO_RETRAIN_SEED_POLICY | preset | `advance` takes a new seed each time, so that it is never skipped |
| DDPO_DEADLINE_HOURS | none | a campaign that takes longer is notified; it goes on |
| DDPO_DEAD_LOOP_MINUTES | 30 | quiet time after which a loop is dead |
| DDPO_NOTIFY_URL | none | takes a JSON POST for every notification |
| DDPO_RETRY_SECONDS | 10 | the first wait before a retry; it doubles each time |
{EXIT_CODES}"""

PROMOTE_RUNBOOK = f"""
## From a policy to the champion

`judge` → `register` → `base` → `report` → `approve` → `promote` → `aliases`

The last iteration of a campaign triggers it for the run's best policy that is fit. By hand: name a run, and a policy
if it shall not be the best. The champion is the top of `promotions/<model>/` in the store; MLflow's aliases follow.

**To approve:** open the task `approve`, tab *Required Actions*. Read the gates, open the report, look at the pictures.
No answer within DDPO_APPROVAL_HOURS (24) is a rejection. After a rejection the run is green and `promote` is skipped;
trigger this DAG again to ask again. Where the config says `promotion.approval = "automatic"` and the guard does not
warn, nobody is asked, and `approve` is skipped.

| task | look at |
|---|---|
| `judge` (green, all others skipped) | refused: its log has the gates and the reason. No error: the champion stays |
| `judge` | 64: registration is switched off, or there is no such policy |
| `register` | MLflow's registry is away: clear it when it is back |
| `base` | 73: docs/runbooks/champion-of-another-base.md. Skipped: the log has begun already |
| `report` (skipped, not red) | its log says why; the approval is asked for without its link |
| `approve` (skipped) | the gates decide alone |
| `promote` | 73: another policy became champion while this one waited. Compare with that one: `ddpo fork`, or wait |
| `aliases` | MLflow is away. The promotion stands; clear this when MLflow is back, or `ddpo champion MODEL --project` |

To go back: `ddpo rollback MODEL`. More: docs/runbooks/approve-or-reject.md, docs/runbooks/roll-back.md.
{EXIT_CODES}"""

CLEANUP_RUNBOOK = f"""
## Retention

A trajectory is needed once, by its own iteration's training, and trajectories are most of a run's bytes. `sweep`
removes those of all but the newest iterations, and attempts that nobody committed. Pictures, rewards, adapters,
evaluations and manifests stay. What goes is written down first (`EXPIRED.json`): the next sweep finishes one that died.

It runs as DDPO_CLEANUP_SCHEDULE says, such as `@daily`; without that, by hand. `ddpo clean --dry-run` only looks.

| red task | look at |
|---|---|
| `sweep` | 75: the store is away. Clear it when it is back, or let the next one do it |
| `sweep` (green, with a warning) | a run of another release, or a corrupt one, was left as it is |
{EXIT_CODES}"""

RESCORE_RUNBOOK = f"""
## Stored pictures, scored again

`plan` → [`scoring`] a shard → `table` → `track`

Scores the pictures that a run has kept with another reward or judge. Nothing of the run changes: the rewards lie below
`RUN/rescored/`, and no training, evaluation or gate reads them. Once more does no work: what is scored is committed,
and only what was drawn since is new. `table` writes means and the rank correlation with the run's own reward into its
log and into the store; `track` draws them in MLflow as `rescored/<scorer>/<split>_mean`.

`ddpo rescore RUN --reward NAME` does the same without a server. To reach a large run's iterations, give `every`.

| red task | look at |
|---|---|
| `plan` | 64: more shards than one DAG run may map; 66: no such run in this store |
| `plan` (green, with a warning) | names the shards that are not drawn yet: their iteration or evaluation is left out |
| `shards.scoring` | 64: no such reward, or not its options: trigger again with the right name |
| `shards.scoring` | 65, 66: a picture or a whole shard is gone or corrupt; the line names it |
| `shards.scoring` | 75: the scorer's service, or more than a twentieth of its rewards are missing |
| `table` | 66: the run's own rewards of a shard are gone |
| `track` (skipped, not red) | MLflow was away; `ddpo track RUN` replays it |
{EXIT_CODES}"""

COMPARE_RUNBOOK = f"""
## Algorithms, compared

`open_comparison` → `tuning_runs` → `choose_rates` → `runs` → `compare`

Every algorithm on every reward with every seed, at equal reward queries. Each run is a campaign of `ddpo_retrain` with
the name `<comparison>-<algorithm>-<reward>-s0`; a tuning run ends in its rate. What is finished is not run again, so
triggering the same comparison again goes on where it was. `ddpo compare NAME` does the same without a server.

A run's score is its largest held-out gain among the policies of which every judge keeps its base score (`keep`, 90 %):
a reward that is won by destroying pictures does not count. `compare` writes figure, table and page below
`compared/<name>/` in the store, and into MLflow's run of that name.

| task | look at |
|---|---|
| `open_comparison` | 64: a file or an override is wrong; 73: the name is taken by other settings, choose another |
| `tuning_runs`, `runs` | one red: mend its campaign in `ddpo_retrain` (the run id says which), then clear this task |
| `tuning_runs` (skipped) | every algorithm has one learning rate, or all are tuned |
| `choose_rates` | 66 names a tuning run that ended early: `ddpo resume` it. Its log, when green, has the table |
| `runs` (skipped) | all were finished |
| `compare` | 66: no run is finished; 65: no judge with a base score above 0. MLflow away: green, its log says so |

At most four campaigns run at once: a comparison shares them with everything else. docs/runbooks/compare-algorithms.md.
{EXIT_CODES}"""
