/** One provider: what it is, its keys, its models, its connection, and what lies under it. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import type { ProviderInfo } from "../../client/src/generated.js";
import { AddressPreview, useAddress } from "./address_preview.js";
import { ConnectionSection } from "./connection_section.js";
import { Button, OutLink } from "./controls.js";
import { sentence } from "./format.js";
import { KeysSection } from "./keys_section.js";
import type { Model, State } from "./model.js";
import { ModelsSection } from "./models_section.js";
import { words } from "./words.js";

interface Props {
  model: Model;
  state: State;
  provider: ProviderInfo;
}

export function ProviderView({ model, state, provider }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  // An opened provider is read from its heading on.
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <section class="detail" aria-labelledby="provider-name">
      <div class="back">
        <Button kind="quiet" icon="back" onClick={() => model.show({ name: "providers", provider: null })}>
          {words.back}
        </Button>
      </div>
      <header class="head">
        <h1 id="provider-name" ref={heading} tabIndex={-1}>
          {provider.name}
        </h1>
        <span class="id">{provider.id}</span>
        {provider.stage === "preview" && <span class="badge">{words.list.preview}</span>}
        <span class="links">
          <OutLink url={provider.keyUrl}>{words.provider.getKey}</OutLink>
          <OutLink url={provider.docsUrl}>{words.provider.docs}</OutLink>
        </span>
      </header>
      <p class="lead">{lead(provider)}</p>
      <dl class="small-facts">
        <div>
          <Fact name={words.provider.tools}>{provider.toolCalling}</Fact>
        </div>
        <div>
          <Fact name={words.provider.pricing}>{provider.pricing}</Fact>
        </div>
        <div>
          <Fact name={words.provider.checkedOn}>{provider.asOf}</Fact>
        </div>
      </dl>
      {!provider.chatAvailable && <p class="lead">{words.provider.storeOnly}</p>}
      <KeysSection model={model} state={state} provider={provider} />
      <ModelsSection model={model} state={state} provider={provider} />
      <ConnectionSection model={model} state={state} provider={provider} />
      <Advanced model={model} provider={provider} />
    </section>
  );
}

function lead({ name, baseUrl }: ProviderInfo): string {
  return baseUrl ? words.provider.speaks(name, addressHost(baseUrl)) : words.provider.needsAddress(name);
}

/** The host of a base URL, which may have fields in braces. */
export const addressHost = (baseUrl: string): string => baseUrl.replace(/^https?:\/\//, "").split("/")[0] ?? baseUrl;

function Advanced({ model, provider }: { model: Model; provider: ProviderInfo }) {
  const [open, setOpen] = useState(false);
  const reading = useAddress(model, provider, open ? { baseUrl: null, fields: {}, allowInsecureOrigin: false } : null);
  const variables = [...provider.fields.flatMap((field) => field.env), ...provider.baseUrlEnv];
  const layer = words.provider.layers[provider.layer] ?? provider.layer;
  return (
    <details class="section" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <h2>{words.provider.advanced}</h2>
      </summary>
      <dl class="facts">
        <Fact name={words.provider.address}>
          {provider.baseUrl ? <code>{provider.baseUrl}</code> : words.provider.noAddress}
        </Fact>
        <Fact name={words.provider.formats}>{provider.dialects.join(", ")}</Fact>
        {variables.length > 0 && (
          <Fact name={words.provider.variables}>
            <code>{variables.join(", ")}</code>
          </Fact>
        )}
        <Fact name={words.provider.data}>
          {layer}, {words.provider.checked(provider.asOf)}
        </Fact>
      </dl>
      <h3>{words.address.title}</h3>
      <p class="note">{words.address.hint}</p>
      <AddressPreview provider={provider} reading={reading} typed={false} />
      {provider.hosts.length > 0 && (
        <>
          <h3>{words.provider.hosts}</h3>
          <dl class="facts">
            {provider.hosts.map((host) => (
              <Fact key={host.baseUrl} name={host.name}>
                <code>{host.baseUrl}</code>
                {host.note && <span class="quiet"> {host.note}</span>}
              </Fact>
            ))}
          </dl>
        </>
      )}
      {provider.notes.length > 0 && (
        <>
          <h3>{words.provider.notes}</h3>
          <ul>
            {provider.notes.map((note) => (
              <li key={note}>{sentence(note)}</li>
            ))}
          </ul>
        </>
      )}
    </details>
  );
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}
