/** Import from the environment, a `.env` file or a file of byokd: a preview first, then the chosen keys. */

import { useRef, useState } from "preact/hooks";

import type { ImportChoice, ImportItem, ImportOutcome, KeyImportParams, KeyImportResult } from "../../client/src/generated.js";
import { Button, Failure, Live, Notice, Progress, TextField, useTask } from "./controls.js";
import { hostOf, sentence } from "./format.js";
import { Icon } from "./icons.js";
import type { Model, State } from "./model.js";
import { SecretField, type SecretInputHandle } from "./secret_field.js";
import { words } from "./words.js";

type Source = KeyImportParams["source"];

export function ImportView({ model }: { model: Model; state: State }) {
  const [kind, setKind] = useState<Source["type"]>("environment");
  const passphrase = useRef<SecretInputHandle>(null);
  const [path, setPath] = useState("");
  const [preview, setPreview] = useState<{ source: Source; result: KeyImportResult } | null>(null);
  const [outcomes, setOutcomes] = useState<readonly ImportOutcome[] | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [answers, setAnswers] = useState<Readonly<Record<string, string>>>({});
  const looking = useTask();
  const importing = useTask();

  const look = (event: Event) => {
    event.preventDefault();
    if (looking.running || incomplete) return;
    if (kind === "bundle" && passphrase.current?.isEmpty()) return passphrase.current.focus();
    setPreview(null);
    setOutcomes(null);
    setAnswers({});
    importing.clear();
    const source = sourceOf(kind, path.trim(), passphrase.current?.take() ?? "");
    looking.run(async () => {
      const result = await model.host.request("key/import", { source });
      setPreview({ source, result });
      setChosen(new Set(ready(result).map((item) => item.id)));
    });
  };
  const incomplete = kind !== "environment" && !path.trim();
  const store = () => {
    if (!preview || chosen.size === 0) return;
    const choose = preview.result.items.filter((item) => chosen.has(item.id)).map((item) => choiceOf(item, answers[item.id] ?? ""));
    importing.run(async () => {
      const result = await model.host.request("key/import", { source: preview.source, choose, probe: "require" });
      setOutcomes(result.outcomes ?? []);
      setChosen(new Set());
      await model.loadKeys();
    });
  };
  const toggle = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    setChosen(next);
  };

  return (
    <section class="page" aria-labelledby="import-title">
      <header class="head">
        <h1 id="import-title">{words.importer.title}</h1>
      </header>
      <p class="lead">{words.importer.lead}</p>
      <form class="form" onSubmit={look} noValidate>
        <fieldset class="radios">
          <legend>{words.importer.from}</legend>
          <Radio id="from-environment" label={words.importer.environment} hint={words.importer.environmentHint} checked={kind === "environment"} onChoose={() => setKind("environment")} />
          <Radio id="from-file" label={words.importer.file} checked={kind === "envFile"} onChoose={() => setKind("envFile")} />
          <Radio id="from-bundle" label={words.importer.bundle} hint={words.importer.bundleHint} checked={kind === "bundle"} onChoose={() => setKind("bundle")} />
        </fieldset>
        {kind !== "environment" && (
          <TextField label={words.importer.path} hint={kind === "bundle" ? words.importer.bundlePathHint : words.importer.pathHint} value={path} onInput={setPath} />
        )}
        {kind === "bundle" && <SecretField verbatim label={words.importer.passphrase} hint={words.importer.passphraseHint} handle={passphrase} />}
        <p class="actions">
          <Button submit kind={preview ? "plain" : "primary"} disabled={looking.running || incomplete}>{words.importer.preview}</Button>
        </p>
        <Live>
          {looking.running && <Progress text={words.importer.looking} />}
          {looking.error && <Failure data={looking.error} model={model} />}
        </Live>
      </form>
      {preview && (
        <section class="section">
          <Live>
            {preview.result.items.length === 0 && <p class="empty">{words.importer.nothing}</p>}
            {preview.result.ignored.map((item) => (
              <Notice tone="warn" key={item.variable}>
                <p>{words.importer.ignored(item.variable)}</p>
              </Notice>
            ))}
            {preview.result.warnings.map((warning) => (
              <Notice tone="warn" key={`${warning.line ?? 0} ${warning.message}`}>
                <p>{sentence(warning.line === null ? warning.message : words.importer.line(warning.line, warning.message))}</p>
              </Notice>
            ))}
          </Live>
          {preview.result.items.length > 0 && (
            <Preview model={model} result={preview.result} chosen={chosen} outcomes={outcomes} onToggle={toggle} answers={answers}
              onAnswer={(id, text) => {
                setAnswers({ ...answers, [id]: text });
                setChosen(text.trim() ? new Set(chosen).add(id) : new Set([...chosen].filter((other) => other !== id)));
              }} />
          )}
          <Live>
            {importing.running && <Progress text={words.importer.importing} />}
            {importing.error && <Failure data={importing.error} model={model} />}
            {outcomes && <Summary outcomes={outcomes} />}
          </Live>
          {preview.result.items.length > 0 && (
            <p class="actions">
              <Button kind="primary" disabled={chosen.size === 0 || importing.running} onClick={store}>
                {chosen.size === 0 ? words.importer.importNone : words.importer.import(chosen.size)}
              </Button>
            </p>
          )}
        </section>
      )}
    </section>
  );
}

function Radio({ id, label, hint, checked, onChoose }: { id: string; label: string; hint?: string; checked: boolean; onChoose: () => void }) {
  return (
    <div class="checkbox">
      <input type="radio" id={id} name="source" checked={checked} onChange={onChoose} aria-describedby={hint ? `${id}-note` : undefined} />
      <label for={id}>{label}</label>
      {hint && <p class="note" id={`${id}-note`}>{hint}</p>}
    </div>
  );
}

interface PreviewProps {
  model: Model;
  result: KeyImportResult;
  chosen: ReadonlySet<string>;
  outcomes: readonly ImportOutcome[] | null;
  onToggle: (id: string) => void;
  answers: Readonly<Record<string, string>>;
  onAnswer: (id: string, text: string) => void;
}

function Preview({ model, result, chosen, outcomes, onToggle, answers, onAnswer }: PreviewProps) {
  const { columns } = words.importer;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={words.importer.table}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{columns.choose}</th>
            <th scope="col">{columns.provider}</th>
            <th scope="col">{columns.source}</th>
            <th scope="col">{columns.ends}</th>
            <th scope="col">{columns.origin}</th>
            <th scope="col">{columns.note}</th>
          </tr>
        </thead>
        <tbody>
          {result.items.map((item) => {
            const outcome = outcomes?.find((other) => other.id === item.id);
            const name = model.provider(item.provider)?.name ?? item.provider;
            return (
              <tr key={item.id}>
                <td>
                  <input type="checkbox" aria-label={words.keys.actionsOf(columns.choose, name)} checked={chosen.has(item.id)}
                    disabled={outcome?.key != null || (item.problem !== null && !answers[item.id]?.trim())} onChange={() => onToggle(item.id)} />
                </td>
                <td>{name}</td>
                <td class="code">{item.variables.join(", ") || item.label || words.none}</td>
                <td class="code">{item.last4 ? words.keys.last4(item.last4) : <span class="quiet">{words.keys.hidden}</span>}</td>
                <td>{item.origin ? hostOf(item.origin) : words.none}</td>
                <td>
                  {outcome ? (
                    <Outcome outcome={outcome} />
                  ) : isSolvable(item) ? (
                    <input type="text" aria-label={needOf(model, item)} placeholder={needOf(model, item)} value={answers[item.id] ?? ""}
                      autocomplete="off" spellcheck={false} onInput={(event) => onAnswer(item.id, event.currentTarget.value)} />
                  ) : (
                    noteOf(item, result)
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Outcome({ outcome: { error, probe } }: { outcome: ImportOutcome }) {
  return (
    <span class={`state ${error ? "bad" : "good"}`}>
      <Icon name={error ? "error" : "check"} />
      {error ? `${words.importer.outcomeRefused}: ${sentence(error.userMessage)}` : `${words.importer.outcomeStored}. ${probe ? sentence(probe.message) : ""}`}
    </span>
  );
}

function Summary({ outcomes }: { outcomes: readonly ImportOutcome[] }) {
  const refused = outcomes.filter((outcome) => outcome.error).length;
  return (
    <Notice tone={refused ? "warn" : "good"}>
      <p>{words.importer.done(outcomes.length - refused, refused)}</p>
    </Notice>
  );
}

/** The person can add a field that is no secret, or an address. */
function isSolvable({ problem }: ImportItem): boolean {
  return problem?.type === "missingField" || problem?.type === "baseUrl";
}

function needOf(model: Model, { provider, problem }: ImportItem): string {
  if (problem?.type === "baseUrl") return words.importer.needs(words.form.otherLabel);
  const field = model.provider(provider)?.fields.find((other) => other.name === problem?.field);
  return words.importer.needs(field?.label ?? problem?.field ?? words.unknown);
}

function choiceOf({ id, problem }: ImportItem, answer: string): ImportChoice {
  if (problem?.type === "baseUrl") return { id, baseUrl: answer.trim() };
  return problem?.field ? { id, fields: { [problem.field]: answer.trim() } } : { id };
}

function noteOf(item: ImportItem, result: KeyImportResult): string {
  if (item.storedAs) return words.importer.stored;
  if (item.problem) return sentence(item.problem.message);
  const ignored = result.ignored.find((other) => other.provider === item.provider);
  return ignored ? words.importer.checkAddress(ignored.variable) : "";
}

function sourceOf(type: Source["type"], path: string, passphrase: string): Source {
  switch (type) {
    case "envFile":
      return { type, path };
    case "bundle":
      return { type, path, passphrase: { plain: passphrase } };
    default:
      return { type: "environment" };
  }
}

/** The items that are chosen at first: complete, new, and not meant for another address. */
function ready(result: KeyImportResult): readonly ImportItem[] {
  const elsewhere = new Set(result.ignored.map((item) => item.provider));
  return result.items.filter((item) => item.problem === null && !item.storedAs && !(item.variables.length && elsewhere.has(item.provider)));
}
