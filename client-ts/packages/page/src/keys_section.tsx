/** The keys of a provider: a table, the form, and what can be done to a key. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { KeyInfo, KeyStoreResult, ListedKey, ProbeResult, ProviderInfo } from "../../client/src/generated.js";
import { Button, Confirm, Failure, Live, Notice, Progress, useTask, type Tone } from "./controls.js";
import { ago, exactTime, hostOf, moment, sentence } from "./format.js";
import { Icon } from "./icons.js";
import { KeyForm, type Outcome } from "./key_form.js";
import { LabelCell } from "./label_cell.js";
import type { Model, State } from "./model.js";
import { WhatNext } from "./what_next.js";
import { words } from "./words.js";

type Open = { form: "add" } | { form: "update" | "remove" | "disable"; keyId: string } | null;

interface Props {
  model: Model;
  state: State;
  provider: ProviderInfo;
}

export function KeysSection({ model, state, provider }: Props) {
  const keys = model.keysOf(provider.id);
  const [open, setOpen] = useState<Open>(null);
  const [message, setMessage] = useState<Outcome | null>(null);
  const [stored, setStored] = useState<{ outcome: Outcome; result: KeyStoreResult } | null>(null);
  const [asking, setAsking] = useState<string | null>(null);
  const task = useTask();
  const addButton = useRef<HTMLButtonElement>(null);

  // A question of the daemon, or the host, asks for the form of one key.
  useEffect(() => {
    if (state.updating && keys.some((key) => key.keyId === state.updating)) {
      setOpen({ form: "update", keyId: state.updating });
      model.set({ updating: null });
    }
  }, [state.updating]);
  useEffect(() => {
    if (state.adding === provider.id) {
      setOpen({ form: "add" });
      model.set({ adding: null });
    }
  }, [state.adding]);

  // What was true of a key before the provider rejected it is not shown beside that.
  const rejected = keys.filter((key) => key.state === "softDisabled").length;
  useEffect(() => {
    if (rejected > 0) {
      setMessage(null);
      setStored(null);
    }
  }, [rejected]);

  const close = () => {
    setOpen(null);
    requestAnimationFrame(() => addButton.current?.focus());
  };
  const start = (next: Open) => {
    task.clear();
    setMessage(null);
    setStored(null);
    setOpen(next);
  };
  /** Ask before something that ends running chats; what is running is counted now. */
  const startAfterCount = (next: { form: "remove" | "disable"; keyId: string }) =>
    void model.loadKeys().then(() => {
      const key = model.state.keys.find((item) => item.keyId === next.keyId);
      if (next.form === "disable" && key?.runningChats === 0) disable(key);
      else start(next);
    });
  const done = (outcome: Outcome, result: KeyStoreResult) => {
    close();
    setStored({ outcome, result });
  };
  const act = (text: string, action: () => Promise<unknown>) => {
    setMessage(null);
    setStored(null);
    task.run(async () => {
      await action();
      await model.loadKeys();
      setMessage({ tone: "good", text });
    });
  };
  const probe = (key: KeyInfo) => {
    setMessage(null);
    setAsking(hostOf(key.origin));
    task.run(async () => {
      try {
        const result = await model.host.request("key/probe", { keyId: key.keyId });
        setMessage({ tone: toneOf(result.probe), text: sentence(result.probe.message) });
      } finally {
        setAsking(null);
      }
    });
  };
  const remove = (key: KeyInfo) => {
    close();
    act(words.keys.removed(keyName(key, provider)), () => model.host.request("key/delete", { keyId: key.keyId }));
  };

  const disable = (key: KeyInfo) => {
    setOpen(null);
    act(words.keys.disabled(keyName(key, provider)), () => model.host.request("key/disable", { keyId: key.keyId }));
  };

  const disabling = open?.form === "disable" ? keys.find((key) => key.keyId === open.keyId) : undefined;
  const removing = open?.form === "remove" ? keys.find((key) => key.keyId === open.keyId) : undefined;
  const updating = open?.form === "update" ? keys.find((key) => key.keyId === open.keyId) : undefined;
  const actions: RowActions = {
    probe,
    update: (key) => start({ form: "update", keyId: key.keyId }),
    remove: (key) => startAfterCount({ form: "remove", keyId: key.keyId }),
    makeDefault: (key) =>
      act(words.keys.defaulted(keyName(key, provider)), () => model.host.request("key/setDefault", { keyId: key.keyId })),
    disable: (key) => startAfterCount({ form: "disable", keyId: key.keyId }),
    enable: (key) =>
      act(words.keys.enabled(keyName(key, provider)), () => model.host.request("key/enable", { keyId: key.keyId })),
  };

  return (
    <section class="section" aria-labelledby="keys-title">
      <div class="section-head">
        <h2 id="keys-title">{words.provider.keys}</h2>
        {keys.length > 0 && open?.form !== "add" && (
          <Button icon="add" buttonRef={addButton} onClick={() => start({ form: "add" })}>
            {words.keys.add}
          </Button>
        )}
      </div>
      {keys.length > 0 && <KeysTable model={model} keys={keys} provider={provider} actions={actions} />}
      {disabling && (
        <Confirm title={words.keys.disableTitle(keyName(disabling, provider))} action={words.keys.disableButton(keyName(disabling, provider))} onConfirm={() => disable(disabling)} onCancel={close}>
          <p>{words.keys.ends(disabling.runningChats)} {words.keys.disableText}</p>
        </Confirm>
      )}
      {removing && (
        <Confirm
          title={words.keys.removeTitle(keyName(removing, provider))}
          action={words.keys.removeButton(keyName(removing, provider))}
          onConfirm={() => remove(removing)}
          onCancel={close}
        >
          <p>
            {words.keys.ends(removing.runningChats)} {words.keys.removeText}{" "}
            {keys.length === 1 ? words.keys.removeLast(provider.name) : removing.isDefault && words.keys.removeDefault}
          </p>
        </Confirm>
      )}
      {keys.length === 0 && open === null && (
        <div class="empty">
          <p>{provider.keyless && !provider.baseUrlRequired ? words.keys.emptyKeyless(provider.name) : words.keys.empty(provider.name)}</p>
          <p class="quiet">{words.keys.emptyHint}</p>
          <Button kind="primary" icon="add" buttonRef={addButton} onClick={() => start({ form: "add" })}>
            {words.keys.addFirst(provider.name)}
          </Button>
        </div>
      )}
      {open?.form === "add" && (
        <KeyForm
          model={model}
          provider={provider}
          replaces={null}
          hasOthers={keys.length > 0}
          onCancel={close}
          onDone={done}
        />
      )}
      {updating && (
        <KeyForm
          key={updating.keyId}
          model={model}
          provider={provider}
          replaces={updating}
          hasOthers={false}
          onCancel={close}
          onDone={done}
        />
      )}
      <Live>
        {task.running && <Progress text={asking ? words.keys.checking(asking) : words.working} />}
        {stored && (
          <WhatNext key={stored.result.probe?.checkedAt} model={model} provider={provider} outcome={stored.outcome} result={stored.result} onLeave={() => setStored(null)} />
        )}
        {message && (
          <Notice tone={message.tone}>
            <p>{message.text}</p>
          </Notice>
        )}
        {task.error && <Failure data={task.error} model={model} />}
      </Live>
    </section>
  );
}

interface RowActions {
  probe: (key: KeyInfo) => void;
  update: (key: KeyInfo) => void;
  remove: (key: KeyInfo) => void;
  makeDefault: (key: KeyInfo) => void;
  disable: (key: KeyInfo) => void;
  enable: (key: KeyInfo) => void;
}

function KeysTable({ model, keys, provider, actions }: { model: Model; keys: readonly ListedKey[]; provider: ProviderInfo; actions: RowActions }) {
  const { columns } = words.keys;
  return (
    <table class="table keys" role="table">
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">{columns.label}</th>
          <th role="columnheader" scope="col">{columns.ends}</th>
          <th role="columnheader" scope="col">{columns.origin}</th>
          <th role="columnheader" scope="col">{columns.state}</th>
          <th role="columnheader" scope="col">{columns.used}</th>
          <th role="columnheader" scope="col">
            <span class="sr-only">{columns.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {keys.map((key) => (
          <KeyRow key={key.keyId} model={model} item={key} provider={provider} actions={actions} />
        ))}
      </tbody>
    </table>
  );
}

function KeyRow({ model, item, provider, actions }: { model: Model; item: KeyInfo; provider: ProviderInfo; actions: RowActions }) {
  const name = keyName(item, provider);
  const disabled = item.state === "softDisabled" || item.state === "userDisabled";
  const plain = Object.entries(item.fields).filter(([, value]) => value !== null);
  const label = (action: string) => words.keys.actionsOf(action, name);
  return (
    <tr role="row" class={disabled ? "off" : undefined}>
      <td role="cell">
        <LabelCell model={model} item={item} provider={provider} />
        {item.isDefault && (
          <span class="badge" title={words.keys.isDefaultHint}>
            {words.keys.isDefault}
          </span>
        )}
      </td>
      <td role="cell" class="code" data-label={words.keys.columns.ends}>{item.last4 ? words.keys.last4(item.last4) : <span class="quiet">{words.keys.hidden}</span>}</td>
      <td role="cell" data-label={words.keys.columns.origin}>
        <span title={item.baseUrl ?? item.origin}>{hostOf(item.origin)}</span>
        {plain.length > 0 && <span class="quiet"> {plain.map(([, value]) => value).join(", ")}</span>}
        {item.allowInsecureOrigin && <span class="badge warn">{words.keys.insecure}</span>}
      </td>
      <td role="cell">
        <KeyState item={item} provider={provider} />
      </td>
      <td role="cell" class="num" data-label={words.keys.columns.used}>
        {item.lastUsedAt === null ? (
          <span class="quiet">{words.time.never}</span>
        ) : (
          <span title={exactTime(item.lastUsedAt)}>{ago(item.lastUsedAt)}</span>
        )}
      </td>
      <td role="cell" class="row-actions">
        {item.state === "softDisabled" && (
          <Button onClick={() => actions.update(item)} label={label(words.keys.update)} title={words.keys.update}>
            {words.keys.update}
          </Button>
        )}
        {disabled ? (
          <Button onClick={() => actions.enable(item)} label={label(words.keys.enable)} title={words.keys.enable}>
            {words.keys.enable}
          </Button>
        ) : (
          !item.isDefault && (
            <Button kind="quiet" icon="star" onClick={() => actions.makeDefault(item)} label={label(words.keys.makeDefault)} title={words.keys.makeDefault} />
          )
        )}
        <Button kind="quiet" icon="refresh" onClick={() => actions.probe(item)} label={label(words.keys.probe)} title={words.keys.probe} />
        {item.state !== "softDisabled" && (
          <Button kind="quiet" icon="edit" onClick={() => actions.update(item)} label={label(words.keys.update)} title={words.keys.update} />
        )}
        {!disabled && (
          <Button kind="quiet" icon="stop" onClick={() => actions.disable(item)} label={label(words.keys.disable)} title={words.keys.disable} />
        )}
        <Button kind="quiet" icon="trash" onClick={() => actions.remove(item)} label={label(words.keys.remove)} title={words.keys.remove} />
      </td>
    </tr>
  );
}

function KeyState({ item, provider }: { item: KeyInfo; provider: ProviderInfo }) {
  const { states } = words.keys;
  if (item.reason === "integrity") return <State tone="bad" text={states.integrity} />;
  switch (item.state) {
    case "active":
      return <State tone="good" text={states.active} />;
    case "suspect":
      return <State tone="warn" text={states.suspect} hint={words.keys.suspectHint} />;
    case "userDisabled":
      return <State tone="off" text={states.userDisabled} />;
    case "softDisabled":
      return <State tone="bad" text={states.softDisabled(provider.name, moment(item.disabledAt ?? item.createdAt))} />;
  }
}

function State({ tone, text, hint }: { tone: string; text: string; hint?: string }) {
  return (
    <span class={`state ${tone}`} title={hint}>
      {tone === "warn" || tone === "bad" ? <Icon name={tone === "bad" ? "error" : "warning"} /> : <span class="dot" aria-hidden="true" />}
      {text}
    </span>
  );
}

export const keyName = (key: KeyInfo, provider: ProviderInfo): string =>
  words.keys.name(key.label, key.last4, provider.name);

const GOOD = new Set(["valid"]);
const BAD = new Set(["invalid", "wrongProvider", "wrongRegion"]);

export const toneOf = ({ verdict }: ProbeResult): Tone => (GOOD.has(verdict) ? "good" : BAD.has(verdict) ? "bad" : "warn");
