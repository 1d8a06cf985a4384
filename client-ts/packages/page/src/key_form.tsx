/**
 * The form that adds a key, or replaces the secret of one.
 *
 * The key is probed first. What the provider rejects is not stored; where it does not answer, the person
 * decides. The secret leaves its field when the form is sent, and this page after the answer.
 */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { ErrorData, FieldInfo, KeyInfo, KeyStoreResult, ProviderInfo, SecretInput } from "../../client/src/generated.js";
import { Button, Checkbox, Failure, Field, Live, Notice, onEscape, OutLink, Progress, TextField, type Tone } from "./controls.js";
import { hostOf, sentence } from "./format.js";
import { HostError } from "./host.js";
import { keyName, toneOf } from "./keys_section.js";
import type { Model } from "./model.js";
import { addressHost } from "./provider_view.js";
import { SecretField, type SecretInputHandle } from "./secret_field.js";
import { words } from "./words.js";

interface Props {
  model: Model;
  provider: ProviderInfo;
  /** The key whose secret is replaced; null for a new key. */
  replaces: KeyInfo | null;
  hasOthers: boolean;
  /** How the person chooses the provider, where it is not chosen yet or may be another. */
  chooser?: Chooser;
  onCancel: (() => void) | null;
  onDone: (outcome: { tone: Tone; text: string }, result: KeyStoreResult) => void;
}

/** The choice of a provider within the form of its key. */
export interface Chooser {
  title: string;
  /** Shown below the key. */
  field: (error: string | undefined) => ComponentChildren;
  /** Whether a provider is chosen. */
  isDone: boolean;
  onKey: (begins: (prefix: string) => boolean) => void;
}

interface Submission {
  fields: Record<string, SecretInput | string>;
  baseUrl: string | null;
  allowInsecureOrigin: boolean;
}

type Step =
  | { name: "editing"; error: ErrorData | null }
  | { name: "asking"; text: string }
  | { name: "unreachable"; message: string; submission: Submission };

const USUAL = "";
const OTHER = "other";
const PROVIDER = "provider";

export function KeyForm({ model, provider, replaces, hasOthers, chooser, onCancel, onDone }: Props) {
  const [step, setStep] = useState<Step>({ name: "editing", error: null });
  const [missing, setMissing] = useState<string | null>(null);
  const [plain, setPlain] = useState<Record<string, string>>(() => plainFields(replaces));
  const [label, setLabel] = useState("");
  const [place, setPlace] = useState(USUAL);
  const [otherUrl, setOtherUrl] = useState("");
  const [insecure, setInsecure] = useState(false);
  const [makeDefault, setMakeDefault] = useState(false);
  const secrets = useRef(new Map<string, { current: SecretInputHandle | null }>());
  const form = useRef<HTMLFormElement>(null);
  const titleId = useId();

  const mustHaveUrl = provider.baseUrlRequired && replaces === null;
  const pastes = provider.kind === "multiField" && replaces === null && !provider.baseUrlRequired;
  const baseUrl = replaces ? replaces.baseUrl : mustHaveUrl || pastes || place === OTHER ? otherUrl.trim() || null : place || null;

  const handleOf = (field: FieldInfo) => {
    const handle = secrets.current.get(field.name) ?? { current: null };
    secrets.current.set(field.name, handle);
    return handle;
  };
  const focusFirst = () => {
    const inputs = [...(form.current?.querySelectorAll<HTMLInputElement>("input:not([type=checkbox])") ?? [])];
    (inputs.find((input) => !input.value) ?? inputs[0])?.focus();
  };
  useLayoutEffect(focusFirst, []);
  const wasAsking = useRef(false);
  useEffect(() => {
    if (wasAsking.current && step.name === "editing") focusFirst();
    wasAsking.current = step.name === "asking";
  }, [step.name]);

  useEffect(() => {
    // Another provider of the same form has other addresses and fields; what is in the field of the key stays.
    setPlace(USUAL);
    setOtherUrl("");
    setPlain(plainFields(replaces));
  }, [provider.id]);

  const required = (field: FieldInfo) => field.required && !(field.addressOnly && baseUrl !== null);
  const firstMissing = (): string | null => {
    if (mustHaveUrl && !otherUrl.trim()) return "baseUrl";
    const field = provider.fields.find(
      (item) => required(item) && (item.secret ? handleOf(item).current?.isEmpty() : !plain[item.name]?.trim()),
    );
    return field?.name ?? (chooser?.isDone === false ? PROVIDER : null);
  };

  const submission = (): Submission => {
    const fields: Record<string, SecretInput | string> = {};
    for (const field of provider.fields) {
      const value = field.secret ? handleOf(field).current?.take() : plain[field.name]?.trim();
      if (value) fields[field.name] = field.secret ? { plain: value } : value;
    }
    return { fields, baseUrl, allowInsecureOrigin: insecure };
  };

  const fail = (error: unknown) => {
    if (!(error instanceof HostError)) throw error;
    setStep({ name: "editing", error: error.data });
  };

  const store = async (input: Submission, probe: "require" | "skip") => {
    setStep({ name: "asking", text: words.form.saving });
    const { host } = model;
    const result = replaces
      ? await host.request("key/rotate", { keyId: replaces.keyId, fields: input.fields, probe })
      : await host.request("key/store", { provider: provider.id, label: label.trim() || null, ...input, makeDefault, probe });
    await model.loadKeys();
    onDone(outcomeOf(result, provider, replaces !== null), result);
  };

  const save = (event: Event) => {
    event.preventDefault();
    if (step.name === "asking") return;
    const lacks = firstMissing();
    setMissing(lacks);
    if (lacks) {
      form.current?.querySelector<HTMLElement>(`[data-field="${CSS.escape(lacks)}"] :is(input, select)`)?.focus();
      return;
    }
    const input = submission();
    setStep({ name: "asking", text: words.keys.checking(askedHost(provider, replaces, input)) });
    const candidate = { provider: provider.id, fields: input.fields, baseUrl: input.baseUrl, allowInsecureOrigin: input.allowInsecureOrigin };
    model.host
      .request("key/probe", candidate)
      .then(({ probe }) =>
        probe.verdict === "unreachable"
          ? setStep({ name: "unreachable", message: probe.message, submission: input })
          : store(input, "require"),
      )
      .catch(fail);
  };

  const busy = step.name === "asking";
  const errorOf = (name: string, text: string) => (missing === name ? words.form.missing(text) : undefined);
  const title = chooser?.title ?? (replaces ? words.form.rotateTitle(keyName(replaces, provider)) : words.form.addTitle(provider.name));
  return (
    <form class="form" ref={form} aria-labelledby={titleId} noValidate onSubmit={save} onKeyDown={onCancel ? onEscape(onCancel) : undefined}>
      <div class="section-head">
        <h3 id={titleId}>{title}</h3>
        <OutLink url={provider.keyUrl}>{words.provider.getKey}</OutLink>
      </div>
      {replaces && <p class="note">{words.form.rotateHint}</p>}
      {mustHaveUrl && (
        <div data-field="baseUrl">
          <TextField label={words.form.otherLabel} value={otherUrl} onInput={setOtherUrl} hint={provider.baseUrlHint ? sentence(provider.baseUrlHint) : words.form.addressHint} error={errorOf("baseUrl", words.form.otherLabel)} />
        </div>
      )}
      {pastes && (
        <TextField label={words.form.pasteLabel} optional value={otherUrl} onInput={setOtherUrl} hint={words.form.pasteHint} />
      )}
      {provider.fields.map((field) => (
        <div key={field.name} data-field={field.name}>
          {field.secret ? (
            <SecretField label={field.label} hint={field.hint ? sentence(field.hint) : undefined} optional={!required(field)} error={errorOf(field.name, field.label)} handle={handleOf(field)} onChange={chooser?.onKey} />
          ) : (
            <TextField label={field.label} hint={field.hint ? sentence(field.hint) : undefined} optional={!required(field)} value={plain[field.name] ?? ""} error={errorOf(field.name, field.label)}
              onInput={(value) => setPlain((values) => ({ ...values, [field.name]: value }))} />
          )}
        </div>
      ))}
      {chooser && <div data-field={PROVIDER}>{chooser.field(missing === PROVIDER && !chooser.isDone ? words.first.providerMissing : undefined)}</div>}
      {!replaces && chooser?.isDone !== false && <TextField label={words.form.label} optional value={label} onInput={setLabel} placeholder={words.form.labelHint} />}
      {!replaces && !mustHaveUrl && !pastes && chooser?.isDone !== false && (
        <details class="fold">
          <summary>{words.form.other}</summary>
          {provider.hosts.length > 0 && (
            <Field label={words.form.host}>
              {({ id }) => (
                <select id={id} value={place} onChange={(event) => setPlace(event.currentTarget.value)}>
                  <option value={USUAL}>{words.form.usual(addressHost(provider.baseUrl ?? ""))}</option>
                  {provider.hosts.map((host) => (
                    <option key={host.baseUrl} value={host.baseUrl}>{`${host.name} – ${addressHost(host.baseUrl)}`}</option>
                  ))}
                  <option value={OTHER}>{words.form.another}</option>
                </select>
              )}
            </Field>
          )}
          {(place === OTHER || provider.hosts.length === 0) && (
            <TextField label={words.form.otherLabel} value={otherUrl} placeholder={provider.baseUrl ?? undefined} hint={words.form.otherHint(provider.baseUrl ?? "")}
              onInput={(value) => {
                setOtherUrl(value);
                setPlace(OTHER);
              }} />
          )}
        </details>
      )}
      {isUnencrypted(otherUrl) && <Checkbox label={words.form.insecure} checked={insecure} onChange={setInsecure} />}
      {hasOthers && <Checkbox label={words.form.makeDefault} checked={makeDefault} onChange={setMakeDefault} />}
      <Live>
        {busy && <Progress text={step.text} />}
        {step.name === "editing" && step.error && <Failure data={step.error} model={model} prefix={words.form.notStored} />}
        {step.name === "unreachable" && (
          <Notice tone="warn">
            <p>{words.form.unreachable}</p>
            <p class="quiet">{sentence(step.message)}</p>
          </Notice>
        )}
      </Live>
      {step.name === "unreachable" ? (
        <p class="actions">
          <Button kind="primary" onClick={() => setStep({ name: "editing", error: null })}>{words.retry}</Button>
          <Button onClick={() => void store(step.submission, "skip").catch(fail)}>{words.form.storeUnchecked}</Button>
        </p>
      ) : (
        <p class="actions">
          <Button submit kind="primary" disabled={busy}>{replaces ? words.form.saveRotate : words.form.save}</Button>
          {onCancel && <Button onClick={onCancel}>{words.cancel}</Button>}
        </p>
      )}
    </form>
  );
}

/** http that leaves this machine; the daemon allows it only within a private network. */
function isUnencrypted(url: string): boolean {
  const host = /^\s*http:\/\/(\[[^\]]*\]|[^/:\s]*)/i.exec(url)?.[1];
  return host !== undefined && !/^(localhost|127\.[\d.]+|\[::1\])$/i.test(host);
}

function plainFields(key: KeyInfo | null): Record<string, string> {
  const values = Object.entries(key?.fields ?? {}).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
  return Object.fromEntries(values);
}

function askedHost(provider: ProviderInfo, replaces: KeyInfo | null, { baseUrl }: Submission): string {
  if (replaces) return hostOf(replaces.origin);
  const address = baseUrl ?? provider.baseUrl ?? "";
  return address.includes("{") ? provider.name : addressHost(address) || provider.name;
}

/** What was stored, and what the provider answered, in a few sentences. */
function outcomeOf({ key, probe, notes }: KeyStoreResult, provider: ProviderInfo, rotated: boolean): { tone: Tone; text: string } {
  const name = keyName(key, provider);
  const parts = [
    rotated ? words.form.rotated(name) : words.form.stored(name),
    probe ? sentence(probe.message) : words.form.unchecked,
    ...(probe?.modelsSeen ? [words.form.modelsSeen(probe.modelsSeen)] : []),
    words.form.onlyTo(hostOf(key.origin)),
    ...notes.filter((note) => note.includes(" ")).map(sentence),
  ];
  return { tone: probe ? toneOf(probe) : "warn", text: parts.join(" ") };
}
