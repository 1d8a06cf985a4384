/** The diagnosis of a provider: each step of a connection, what failed and what to do. */

import { useState } from "preact/hooks";

import type { ProviderInfo, ProviderTestResult, ProviderTestStep } from "../../client/src/generated.js";
import { Button, Checkbox, Failure, Live, Notice, OutLink, Progress, useTask } from "./controls.js";
import { sentence } from "./format.js";
import { Icon, type IconName } from "./icons.js";
import { keyName } from "./keys_section.js";
import type { Model, State } from "./model.js";
import { addressHost } from "./provider_view.js";
import { words } from "./words.js";

const ICONS: Record<string, IconName> = { ok: "check", failed: "error", skipped: "chevron" };

export function ConnectionSection({ model, provider }: { model: Model; state: State; provider: ProviderInfo }) {
  const keys = model.keysOf(provider.id);
  const [keyId, setKeyId] = useState("");
  const [chat, setChat] = useState(false);
  const [result, setResult] = useState<ProviderTestResult | null>(null);
  const task = useTask();
  const key = keys.find((item) => item.keyId === keyId) ?? keys.find((item) => item.isDefault);
  const host = addressHost(key?.baseUrl ?? provider.baseUrl ?? "") || provider.name;
  const run = () => {
    setResult(null);
    task.run(async () => {
      setResult(await model.host.request("provider/test", { provider: provider.id, keyId: keyId || null, chat }));
    });
  };
  return (
    <section class="section" aria-labelledby="connection-title">
      <h2 id="connection-title">{words.provider.connection}</h2>
      <p class="note">{words.doctor.hint}</p>
      {keys.length > 0 && <Checkbox label={words.doctor.chat} checked={chat} onChange={setChat} />}
      <p class="actions">
        {keys.length > 1 && (
          <label class="inline">
            {words.doctor.withKey}
            <select value={key?.keyId ?? ""} onChange={(event) => setKeyId(event.currentTarget.value)}>
              {keys.map((item) => (
                <option key={item.keyId} value={item.keyId}>{keyName(item, provider)}</option>
              ))}
            </select>
          </label>
        )}
        <Button icon="play" disabled={task.running} onClick={run}>{result ? words.doctor.again : words.doctor.run}</Button>
      </p>
      <Live>
        {task.running && <Progress text={words.doctor.running(host)} />}
        {task.error && <Failure data={task.error} model={model} />}
        {result && (
          <>
            <Notice tone={result.ok ? "good" : "bad"}>
              <p>
                {result.ok ? words.doctor.ok : words.doctor.failed} {result.proxied && words.doctor.proxied}
              </p>
            </Notice>
            <ol class="steps">
              {result.steps.map((item) => (
                <Step key={item.name} item={item} />
              ))}
            </ol>
          </>
        )}
      </Live>
    </section>
  );
}

function Step({ item }: { item: ProviderTestStep }) {
  const status = words.doctor.statuses[item.status] ?? item.status;
  return (
    <li class={item.status}>
      <Icon name={ICONS[item.status] ?? "info"} label={status} />
      <strong>{words.doctor.steps[item.name] ?? item.name}</strong>
      <span class="text">
        {sentence(item.message)}
        {item.action?.url && <OutLink url={item.action.url}>{words.errors.actions[item.action.type] ?? words.errors.actions["openUrl"]}</OutLink>}
      </span>
      <span class="num quiet">{item.durationMs === null ? "" : `${item.durationMs} ms`}</span>
    </li>
  );
}
