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
| `register` | MLflow's registry; clear it when it is back |

Skipped `evaluation`: not due. Skipped `trigger_next` or `register`: the other was chosen, or the next run exists.
{EXIT_CODES}"""

RETRAIN_RUNBOOK = f"""
## A campaign

`open_run` → `evaluation_prompts` → baseline [`sampling` → `scoring`] → `baseline` → `track` → `trigger_first` → wait

Choose a preset, and change what you like: one `key=value` a line. A run id that exists with the same config goes on
where it is; with another config it is refused. To resume a run, leave the preset empty and give its run id.

| red task | look at |
|---|---|
| `open_run` | one line says what is wrong with the form, the store or the base model; trigger again |
| `baseline_shards`, `baseline` | the judge's or the reward's weights; the base model |
| `wait_for_the_end` | an iteration failed: mend and clear it in `ddpo_iteration`, then clear this task |
{EXIT_CODES}"""
