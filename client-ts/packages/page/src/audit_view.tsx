/** The audit log: newest first, by day, with filter, verification and export. */

import { useEffect, useState } from "preact/hooks";

import type { AuditEntry, AuditExportResult, AuditVerifyResult } from "../../client/src/generated.js";
import { detailText, QUIET, sentenceOf } from "./audit_words.js";
import { Button, Checkbox, Failure, Field, Live, Notice, Progress, useTask } from "./controls.js";
import { clock, count, day, exactTime, moment } from "./format.js";
import { keyName } from "./keys_section.js";
import type { Model, State } from "./model.js";
import { words } from "./words.js";

const PAGE = 200;
const EXPORT_PAGE = 1000;
const EXPORT_FORM = "byokd-audit/1";
const KINDS = ["all", "keyEvents", "vaultEvents", "otherEvents"] as const;
type Kind = (typeof KINDS)[number];

interface Log {
  items: readonly AuditEntry[];
  next: string | null;
}

export function AuditView({ model, state }: { model: Model; state: State }) {
  const [log, setLog] = useState<Log | null>(null);
  const [keyId, setKeyId] = useState("");
  const [kind, setKind] = useState<Kind>("all");
  const [quiet, setQuiet] = useState(false);
  const task = useTask();
  const load = (after: Log | null) =>
    task.run(async () => {
      const page = await model.host.request("audit/list", { keyId: keyId || null, cursor: after?.next ?? null, limit: PAGE });
      setLog({ items: [...(after?.items ?? []), ...page.items], next: page.nextCursor });
    });
  useEffect(() => load(null), [keyId, state.auditVersion, state.vault?.state]);

  const items = (log?.items ?? []).filter(
    (entry) => (quiet || !QUIET.has(entry.event)) && (kind === "all" || kindOf(entry.event) === kind),
  );
  const days = groupedByDay(items);
  return (
    <section class="page" aria-labelledby="audit-title">
      <header class="head">
        <h1 id="audit-title">{words.audit.title}</h1>
      </header>
      <p class="lead">{words.audit.lead}</p>
      <Checks model={model} />
      <div class="filters">
        <Field label={words.audit.filterKey}>
          {({ id }) => (
            <select id={id} value={keyId} onChange={(event) => setKeyId(event.currentTarget.value)}>
              <option value="">{words.audit.all}</option>
              {state.keys.map((key) => (
                <option key={key.keyId} value={key.keyId}>{nameOf(model, key.keyId, key.provider)}</option>
              ))}
            </select>
          )}
        </Field>
        <Field label={words.audit.filterEvent}>
          {({ id }) => (
            <select id={id} value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
              {KINDS.map((name) => (
                <option key={name} value={name}>{words.audit[name]}</option>
              ))}
            </select>
          )}
        </Field>
        <Checkbox label={words.audit.sessions} checked={quiet} onChange={setQuiet} />
      </div>
      {[...days].map(([name, entries]) => (
        <section class="day" key={name} aria-label={name}>
          <h2>{name}</h2>
          <ul class="log">
            {entries.map((entry) => (
              <Entry key={entry.seq} model={model} entry={entry} />
            ))}
          </ul>
        </section>
      ))}
      <Live>
        {task.running && <Progress text={words.loading} />}
        {task.error && <Failure data={task.error} model={model} />}
        {log && items.length === 0 && <p class="empty quiet">{log.items.length === 0 ? words.audit.empty : words.audit.emptyFilter}</p>}
      </Live>
      {log?.next && <Button disabled={task.running} onClick={() => load(log)}>{words.audit.older}</Button>}
    </section>
  );
}

function Entry({ model, entry }: { model: Model; entry: AuditEntry }) {
  const details = Object.entries(entry.details).filter(([, value]) => value !== null);
  const key = entry.provider ? nameOf(model, entry.keyId, entry.provider) : words.audit.deletedKey;
  return (
    <li>
      <time class="num quiet" dateTime={new Date(entry.at).toISOString()} title={exactTime(entry.at)}>{clock(entry.at)}</time>
      <details>
        <summary>
          {sentenceOf(entry.event, { key, details: entry.details })} <span class="quiet">{words.audit.by(entry.actor)}</span>
        </summary>
        <dl class="facts">
          <dt>{words.audit.entry(entry.seq)}</dt>
          <dd>
            <code>{entry.event}</code>
          </dd>
          {entry.keyId && (
            <>
              <dt>{words.audit.filterKey}</dt>
              <dd>
                <code>{entry.keyId}</code>
              </dd>
            </>
          )}
          {details.map(([name, value]) => (
            <>
              <dt key={`${name} name`}>{name}</dt>
              <dd key={name}>{detailText(name, value)}</dd>
            </>
          ))}
        </dl>
      </details>
    </li>
  );
}

function Checks({ model }: { model: Model }) {
  const [result, setResult] = useState<{ check: AuditVerifyResult; at: number } | null>(null);
  const [exported, setExported] = useState<number | null>(null);
  const [text, setText] = useState("");
  const task = useTask();
  const verify = () => {
    setText(words.audit.verifying);
    setExported(null);
    task.run(async () => setResult({ check: await model.host.request("audit/verify", {}), at: Date.now() }));
  };
  const save = () => {
    setText(words.audit.exporting);
    setResult(null);
    task.run(async () => setExported(await exportLog(model)));
  };
  return (
    <>
      <p class="actions">
        <Button icon="check" disabled={task.running} onClick={verify}>{words.audit.verify}</Button>
        <Button icon="import" disabled={task.running} onClick={save}>{words.audit.export}</Button>
      </p>
      <Live>
        {task.running && <Progress text={text} />}
        {task.error && <Failure data={task.error} model={model} />}
        {result && (
          <Notice tone={result.check.ok ? "good" : "bad"}>
            <p>
              {result.check.ok
                ? words.audit.verified(count(result.check.entries, "entry", "entries"), moment(result.at))
                : words.audit.broken(result.check.message)}
            </p>
            {words.audit.anchors[result.check.anchor] && <p class="quiet">{words.audit.anchors[result.check.anchor]}</p>}
          </Notice>
        )}
        {exported !== null && (
          <Notice tone="good">
            <p>{words.audit.exported(count(exported, "entry", "entries"))}</p>
          </Notice>
        )}
      </Live>
    </>
  );
}

/** Save the whole log in the form that `byokd audit verify` reads. Returns how many entries; null if no file was chosen. */
async function exportLog(model: Model): Promise<number | null> {
  const records: unknown[] = [];
  let page: AuditExportResult | undefined;
  do {
    page = await model.host.request("audit/export", { cursor: page?.nextCursor ?? null, limit: EXPORT_PAGE });
    records.push(...page.items);
  } while (page.nextCursor !== null);
  const lines = [{ form: EXPORT_FORM, storeId: page.storeId }, ...records, ...(page.checkpoint ? [page.checkpoint] : [])];
  const isSaved = await model.host.save("byokd-audit.jsonl", `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`);
  return isSaved ? records.length : null;
}

function nameOf(model: Model, keyId: string | null, providerId: string): string {
  const provider = model.provider(providerId);
  const key = model.state.keys.find((item) => item.keyId === keyId);
  if (!provider) return providerId;
  if (!key) return `${provider.name} key`;
  return key.label || key.last4 ? `${provider.name} key ${keyName(key, provider)}` : `${provider.name} key`;
}

function kindOf(event: string): Kind {
  if (event.startsWith("key.") || event.startsWith("account.")) return "keyEvents";
  return event.startsWith("store.") || event.startsWith("slot.") ? "vaultEvents" : "otherEvents";
}

function groupedByDay(items: readonly AuditEntry[]): Map<string, AuditEntry[]> {
  const days = new Map<string, AuditEntry[]>();
  for (const entry of items) {
    const name = day(entry.at);
    days.set(name, [...(days.get(name) ?? []), entry]);
  }
  return days;
}
