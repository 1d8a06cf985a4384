/** The models that a key can use: limits, inputs, price, end of life, and a test. */

import { useEffect, useState } from "preact/hooks";

import type { ErrorData, FactSource, ModelInfo, ModelListFailure, ModelListResult, ProviderInfo, SendResult, Usage } from "../../client/src/generated.js";
import { Button, Failure, Live, Notice, Progress, useTask } from "./controls.js";
import { ago, exactTime, price, sentence, shortDay, tokens } from "./format.js";
import { HostError } from "./host.js";
import { Icon, type IconName } from "./icons.js";
import type { Model, State } from "./model.js";
import { words } from "./words.js";

const SHOWN_FIRST = 50;
const PAGE = 500;
const INPUT_ICONS: Record<string, IconName> = { text: "text", image: "image", file: "file", pdf: "file", audio: "audio", video: "video" };

interface Listing {
  items: readonly ModelInfo[];
  failures: readonly ModelListFailure[];
}

interface Props {
  model: Model;
  state: State;
  provider: ProviderInfo;
}

export function ModelsSection({ model, state, provider }: Props) {
  const [listing, setListing] = useState<Listing | null>(null);
  const [filter, setFilter] = useState("");
  const [all, setAll] = useState(false);
  const task = useTask();
  const keys = model.keysOf(provider.id);
  const usable = keys.length > 0 || provider.keyless;
  const version = `${state.modelsVersion} ${state.vault?.state ?? ""} ${keys.map((key) => key.keyId + key.state + key.version).join()}`;

  const load = (refresh: boolean) => task.run(async () => setListing(await listed(model, provider.id, refresh)));
  useEffect(() => {
    if (usable) load(false);
    else setListing(null);
  }, [version, usable]);

  const needle = filter.trim().toLowerCase();
  const items = (listing?.items ?? []).filter((item) => `${item.id} ${item.name ?? ""}`.toLowerCase().includes(needle));
  const shown = all ? items : items.slice(0, SHOWN_FIRST);
  const cause = sharedCause(listing?.items ?? []);
  const seenAt = Math.min(...(listing?.items ?? []).map((item) => item.seenAt ?? Number.POSITIVE_INFINITY));
  return (
    <section class="section" aria-labelledby="models-title">
      <div class="section-head">
        <h2 id="models-title">{words.provider.models}</h2>
        {listing && listing.items.length > 0 && (
          <span class="quiet">
            {words.models.count(listing.items.length)}
            {Number.isFinite(seenAt) && <span title={exactTime(seenAt)}>. {words.models.seen(ago(seenAt))}</span>}
          </span>
        )}
        {usable && (
          <Button kind="quiet" icon="refresh" disabled={task.running} onClick={() => load(true)}>
            {words.models.refresh}
          </Button>
        )}
      </div>
      {!usable && <p class="empty quiet">{words.models.emptyNoKey}</p>}
      {listing && listing.items.length > 8 && (
        <div class="search narrow">
          <Icon name="search" />
          <input type="search" aria-label={words.models.filter} placeholder={words.models.filter} value={filter} spellcheck={false}
            autocomplete="off" onInput={(event) => setFilter(event.currentTarget.value)} />
        </div>
      )}
      <Live>
        {task.running && <Progress text={words.models.loading} />}
        {task.error && <Failure data={task.error} model={model} />}
        {cause && (
          <Notice tone="warn">
            <p>{sentence(words.models.cannotUse(causeText(cause)))}</p>
          </Notice>
        )}
        {listing?.failures.filter((failure) => failure.kind !== cause).map((failure) => (
          <Notice tone="warn" key={`${failure.provider} ${failure.keyId ?? ""}`}>
            <p>{sentence(words.models.failed(failure.message))}</p>
          </Notice>
        ))}
        {listing && usable && listing.items.length === 0 && listing.failures.length === 0 && <p class="quiet">{words.models.empty}</p>}
        {listing && listing.items.length > 0 && items.length === 0 && <p class="quiet">{words.models.noMatch(filter)}</p>}
      </Live>
      {shown.length > 0 && <ModelsTable model={model} items={shown} cause={cause} />}
      {shown.length < items.length && <Button onClick={() => setAll(true)}>{words.models.all(items.length)}</Button>}
    </section>
  );
}

async function listed(model: Model, provider: string, refresh: boolean): Promise<Listing> {
  const items: ModelInfo[] = [];
  let page: ModelListResult | undefined;
  do {
    const cursor: string | null = page?.nextCursor ?? null;
    page = await model.host.request("model/list", { provider, refresh: refresh && !page, cursor, limit: PAGE });
    items.push(...page.items);
  } while (page.nextCursor !== null);
  return { items, failures: page.failures };
}

/** The kind of error that every model would get, which is then shown once. */
function sharedCause(items: readonly ModelInfo[]): string | null {
  const kind = items[0]?.unavailable?.kind ?? null;
  return items.every((item) => item.unavailable?.kind === kind) ? kind : null;
}

const causeText = (kind: string): string => words.models.unavailable[kind] ?? kind;

function ModelsTable({ model, items, cause }: { model: Model; items: readonly ModelInfo[]; cause: string | null }) {
  const { columns } = words.models;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={words.models.table}>
      <table class="table models">
        <thead>
          <tr>
            <th scope="col">{columns.id}</th>
            <th scope="col" class="num context">{columns.context}</th>
            <th scope="col" class="num output">{columns.output}</th>
            <th scope="col" class="modalities">{columns.inputs}</th>
            <th scope="col" class="tools">{columns.tools}</th>
            <th scope="col" class="reasoning">{columns.reasoning}</th>
            <th scope="col" class="num">{columns.price}</th>
            <th scope="col"><span class="sr-only">{columns.test}</span></th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <ModelRow key={`${item.keyId ?? ""} ${item.id}`} model={model} item={item} cause={cause} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ModelRow({ model, item, cause }: { model: Model; item: ModelInfo; cause: string | null }) {
  const [outcome, setOutcome] = useState<TestOutcome | null>(null);
  const { facts } = item;
  const test = () => {
    setOutcome({ type: "running" });
    void testModel(model, item).then(setOutcome);
  };
  return (
    <>
      <tr class={item.unavailable ? "off" : undefined}>
        <td class="model">
          <code>{item.id}</code>
          {item.name && item.name !== item.id && <span class="quiet">{item.name}</span>}
          <Remarks item={item} cause={cause} />
        </td>
        <td class="num context" title={sourceText(facts.context)}>{item.contextTokens === null ? <Unknown /> : tokens(item.contextTokens)}</td>
        <td class="num output" title={sourceText(facts.output)}>{item.outputTokens === null ? <Unknown /> : tokens(item.outputTokens)}</td>
        <td class="modalities" title={sourceText(facts.inputs)}><Inputs names={item.inputModalities} /></td>
        <td class="tools"><Flag value={item.tools} /></td>
        <td class="reasoning" title={[item.efforts?.join(", "), sourceText(facts.efforts)].filter(Boolean).join("\n")}>
          {item.efforts && item.efforts.length > 0 ? <Efforts values={item.efforts} /> : <Flag value={item.reasoning} />}
        </td>
        <td class="num price" title={sourceText(facts.price)}>
          <Price item={item} />
        </td>
        <td class="row-actions">
          {item.chat !== false && !item.unavailable && (
            <Button kind="quiet" icon="play" disabled={outcome?.type === "running"} onClick={test}
              label={words.keys.actionsOf(words.models.test, item.id)} title={words.models.testHint} />
          )}
        </td>
      </tr>
      {outcome && (
        <tr class="outcome">
          <td colSpan={8}>
            <Live>
              {outcome.type === "running" && <Progress text={words.models.testing} />}
              {outcome.type === "failed" && <Failure data={outcome.error} model={model} />}
              {outcome.type === "done" && (
                <Notice tone="good">
                  <p>{outcome.text}</p>
                </Notice>
              )}
            </Live>
          </td>
        </tr>
      )}
    </>
  );
}

function Remarks({ item, cause }: { item: ModelInfo; cause: string | null }) {
  const why = item.unavailable && item.unavailable.kind !== cause && causeText(item.unavailable.kind);
  return (
    <>
      {why && <span class="badge warn">{words.models.cannotUse(why)}</span>}
      {item.endsAt !== null && (
        <span class="badge warn" title={[exactTime(item.endsAt), sourceText(item.facts.endsAt)].filter(Boolean).join(", ")}>
          {words.models.ends(shortDay(item.endsAt))}
        </span>
      )}
      {item.deprecated && item.endsAt === null && <span class="badge warn">{words.models.deprecated}</span>}
      {item.retired && <span class="badge warn">{words.models.retired}</span>}
      {item.unlisted && <span class="badge">{words.models.unlisted}</span>}
    </>
  );
}

function Inputs({ names }: { names: readonly string[] | null }) {
  if (!names) return <Unknown />;
  return (
    <span class="inputs">
      {names.map((name) => {
        const icon = INPUT_ICONS[name];
        return icon ? <Icon key={name} name={icon} label={words.models.inputNames[name] ?? name} /> : <span key={name}>{name}</span>;
      })}
    </span>
  );
}

/** Unknown is shown as a dash, and never as nothing or zero. */
function Unknown() {
  return (
    <span class="quiet" title={words.unknown}>
      <span aria-hidden="true">{words.none}</span>
      <span class="sr-only">{words.unknown}</span>
    </span>
  );
}

function Flag({ value }: { value: boolean | null }) {
  if (value === null) return <Unknown />;
  return value ? <Icon name="check" label={words.models.yes} /> : <span class="quiet">{words.models.no}</span>;
}

function Price({ item: { price: known } }: { item: ModelInfo }) {
  if (!known || (known.input === null && known.output === null)) return <Unknown />;
  const part = (amount: string | null) => (amount === null ? words.unknown : price(amount));
  return (
    <>
      {part(known.input)} / {part(known.output)} <span class="quiet">{known.currency}</span>
    </>
  );
}

function sourceText(fact: FactSource | null): string | undefined {
  return fact ? words.models.source(words.models.sources[fact.source] ?? fact.source, fact.asOf) : undefined;
}

type TestOutcome = { type: "running" } | { type: "failed"; error: ErrorData } | { type: "done"; text: string };

let lastTest = 0;

async function testModel(model: Model, item: ModelInfo): Promise<TestOutcome> {
  const streamId = `page-${(lastTest += 1)}`;
  const began = performance.now();
  let firstMs: number | undefined;
  const stop = model.host.listen((message) => {
    if (message.type !== "notification" || message.method !== "chat/events") return;
    const { streamId: id, events } = message.params as { streamId: string; events: readonly { type: string }[] };
    if (id === streamId && events.some((event) => event.type.endsWith("Delta"))) firstMs ??= performance.now() - began;
  });
  try {
    const result = await model.host.request("chat/send", {
      streamId,
      provider: item.provider,
      model: item.id,
      keyId: item.keyId,
      messages: [{ role: "user", content: words.models.question }],
      maxOutputTokens: 64,
    });
    return { type: "done", text: testText(result, firstMs ?? performance.now() - began) };
  } catch (error) {
    if (error instanceof HostError) return { type: "failed", error: error.data };
    throw error;
  } finally {
    stop();
  }
}

function testText({ usage, cost }: SendResult, firstMs: number): string {
  const amount = cost.amount === null ? words.models.costUnknown : `${price(cost.amount)} ${cost.currency}`;
  return words.models.tested(`${Math.round(firstMs)} ms`, tokens(inputOf(usage)), tokens(outputOf(usage)), amount);
}

const sum = (...parts: (number | null)[]): number | null =>
  parts.reduce<number | null>((total, part) => (total === null || part === null ? null : total + part), 0);

const inputOf = (usage: Usage | null) => (usage ? sum(usage.inputFresh, usage.inputCacheRead, usage.inputCacheWrite) : null);
const outputOf = (usage: Usage | null) => (usage ? sum(usage.outputText, usage.outputReasoning) : null);

/** The least and the most that a model can think; all of them for screen readers, as in the title. */
function Efforts({ values }: { values: readonly string[] }) {
  const [first, last] = [values[0] ?? "", values.at(-1) ?? ""];
  return (
    <span class="efforts">
      <span aria-hidden="true">{first === last ? first : words.models.efforts(first, last)}</span>
      <span class="sr-only">{values.join(", ")}</span>
    </span>
  );
}
