/**
 * The form that adds a key, or replaces the secret of one.
 *
 * One request checks and stores the key. What the provider rejects is not stored; where it does not
 * answer, the person decides. The secret leaves its field when the form is sent, and this page after
 * the answer.
 */

import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { ErrorData, FieldInfo, KeyInfo, KeyStoreResult, ProviderInfo, SecretInput } from "../../client/src/generated.js";
import { AddressPreview, useAddress } from "./address_preview.js";
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
  /** Null until it is chosen in `lead`. */
  provider: ProviderInfo | null;
  /** The key whose secret is replaced; null for a new key. */
  replaces: KeyInfo | null;
  hasOthers: boolean;
  onCancel: (() => void) | null;
  onDone: (outcome: Outcome, result: KeyStoreResult) => void;
  /** What stands above the fields, with the field of the key if it comes before the provider. */
  lead?: { field: RefObject<SecretInputHandle | null>; content: ComponentChildren };
  title?: string;
  /** What stands between the fields and the buttons. */
  children?: ComponentChildren;
  /** Runs before the key is stored; false stops, after showing why. */
  prepare?: () => Promise<boolean>;
}

/** What was stored, and what the provider answered. */
export interface Outcome {
  tone: Tone;
  text: string;
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

const LEAD = "lead";
const PROVIDER = "provider";
const USUAL = "";
const OTHER = "other";

export function KeyForm({ model, provider, replaces, hasOthers, onCancel, onDone, lead, title, children, prepare }: Props) {
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

  const fields = provider?.fields ?? [];
  const leadName = lead && fields.find((field) => field.secret)?.name;
  const mustHaveUrl = provider?.baseUrlRequired === true && replaces === null;
  const pastes = provider?.kind === "multiField" && replaces === null && !provider.baseUrlRequired;
  const baseUrl = replaces ? replaces.baseUrl : mustHaveUrl || pastes || place === OTHER ? otherUrl.trim() || null : place || null;

  const handleOf = (field: FieldInfo) => {
    if (lead && field.name === leadName) return lead.field;
    const handle = secrets.current.get(field.name) ?? { current: null };
    secrets.current.set(field.name, handle);
    return handle;
  };
  const focusFirst = () => {
    const inputs = [...(form.current?.querySelectorAll<HTMLInputElement>("input:not([type=checkbox])") ?? [])];
    (inputs.find((input) => !input.value) ?? inputs[0])?.focus();
  };
  useLayoutEffect(focusFirst, []);
  useEffect(() => {
    // Another provider has other fields and addresses.
    if (!lead) return;
    setPlain({});
    setPlace(USUAL);
    setOtherUrl("");
    setMissing(null);
  }, [provider?.id]);
  const reading = useAddress(model, provider, baseUrl && !replaces ? { baseUrl, fields: trimmed(plain), allowInsecureOrigin: insecure } : null);
  const read = reading && "result" in reading ? reading.result.fields : null;
  useEffect(() => {
    // What the pasted address names is filled in, so that it can be seen and corrected.
    const filled = Object.entries(read ?? {}).filter(([name]) => !plain[name]?.trim());
    if (filled.length > 0) setPlain((values) => ({ ...values, ...Object.fromEntries(filled) }));
  }, [read]);
  const wasAsking = useRef(false);
  useEffect(() => {
    if (wasAsking.current && step.name === "editing") focusFirst();
    wasAsking.current = step.name === "asking";
  }, [step.name]);

  const required = (field: FieldInfo | undefined) => field?.required === true && !(field.addressOnly && baseUrl !== null);
  const firstMissing = (): string | null => {
    if (lead?.field.current?.isEmpty() && (leadName === undefined || required(fields.find((item) => item.name === leadName)))) return LEAD;
    if (!provider) return PROVIDER;
    if (mustHaveUrl && !otherUrl.trim()) return "baseUrl";
    const field = fields.find(
      (item) => required(item) && (item.secret ? handleOf(item).current?.isEmpty() : !plain[item.name]?.trim()),
    );
    return field?.name ?? null;
  };

  const submission = (): Submission => {
    const values: Record<string, SecretInput | string> = {};
    for (const field of fields) {
      const value = field.secret ? handleOf(field).current?.take() : plain[field.name]?.trim();
      if (value) values[field.name] = field.secret ? { plain: value } : value;
    }
    return { fields: values, baseUrl, allowInsecureOrigin: insecure };
  };

  const fail = (input: Submission) => (error: unknown) => {
    if (!(error instanceof HostError)) throw error;
    if (isUnreachable(error.data)) setStep({ name: "unreachable", message: error.data.userMessage, submission: input });
    else setStep({ name: "editing", error: error.data });
  };

  const store = async (input: Submission, probe: "requireAnswer" | "skip") => {
    if (!provider) return;
    setStep({ name: "asking", text: probe === "skip" ? words.form.saving : words.keys.checking(askedHost(provider, replaces, input)) });
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
    void prepared().then((ready) => {
      if (!ready) return;
      const input = submission();
      return store(input, "requireAnswer").catch(fail(input));
    });
  };
  const prepared = async (): Promise<boolean> => {
    if (!prepare) return true;
    try {
      return await prepare();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      setStep({ name: "editing", error: error.data });
      return false;
    }
  };

  const busy = step.name === "asking";
  const errorOf = (name: string, text: string) => (missing === name ? words.form.missing(text) : undefined);
  const heading = title ?? (!provider ? "" : replaces ? words.form.rotateTitle(keyName(replaces, provider)) : words.form.addTitle(provider.name));
  return (
    <form class="form" ref={form} aria-labelledby={titleId} noValidate onSubmit={save} onKeyDown={onCancel ? onEscape(onCancel) : undefined}>
      <div class="section-head">
        {lead ? <h2 id={titleId}>{heading}</h2> : <h3 id={titleId}>{heading}</h3>}
        {provider && <OutLink url={provider.keyUrl}>{words.provider.getKey}</OutLink>}
      </div>
      {lead && (
        <>
          {lead.content}
          {(missing === LEAD || missing === PROVIDER) && <p class="note bad" role="alert">{missing === LEAD ? words.first.noKey : words.first.noProvider}</p>}
        </>
      )}
      {replaces && <p class="note">{words.form.rotateHint}</p>}
      {mustHaveUrl && (
        <div data-field="baseUrl">
          <TextField label={words.form.otherLabel} value={otherUrl} onInput={setOtherUrl} hint={provider?.baseUrlHint ? sentence(provider.baseUrlHint) : words.form.addressHint} error={errorOf("baseUrl", words.form.otherLabel)} />
        </div>
      )}
      {pastes && (
        <TextField label={words.form.pasteLabel} optional value={otherUrl} onInput={setOtherUrl} hint={words.form.pasteHint} />
      )}
      {fields.filter((field) => field.name !== leadName).map((field) => (
        <div key={field.name} data-field={field.name}>
          {field.secret ? (
            <SecretField label={field.label} hint={field.hint ? sentence(field.hint) : undefined} optional={!required(field)} error={errorOf(field.name, field.label)} handle={handleOf(field)} />
          ) : (
            <TextField label={field.label} hint={field.hint ? sentence(field.hint) : undefined} optional={!required(field)} value={plain[field.name] ?? ""} error={errorOf(field.name, field.label)}
              onInput={(value) => setPlain((values) => ({ ...values, [field.name]: value }))} />
          )}
        </div>
      ))}
      {provider && !replaces && !lead && <TextField label={words.form.label} optional value={label} onInput={setLabel} placeholder={words.form.labelHint} />}
      {provider && !replaces && !mustHaveUrl && !pastes && (
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
      {provider && baseUrl && !replaces && <AddressPreview provider={provider} reading={reading} typed />}
      {isUnencrypted(otherUrl) && <Checkbox label={words.form.insecure} checked={insecure} onChange={setInsecure} />}
      {hasOthers && <Checkbox label={words.form.makeDefault} checked={makeDefault} onChange={setMakeDefault} />}
      {children}
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
          <Button onClick={() => void store(step.submission, "skip").catch(fail(step.submission))}>{words.form.storeUnchecked}</Button>
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

const isUnreachable = ({ details }: ErrorData): boolean =>
  typeof details === "object" && details !== null && "verdict" in details && details["verdict"] === "unreachable";

const trimmed = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value.trim()));

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
function outcomeOf({ key, probe, notes }: KeyStoreResult, provider: ProviderInfo, rotated: boolean): Outcome {
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
