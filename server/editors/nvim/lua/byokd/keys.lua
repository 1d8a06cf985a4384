-- Keys, the models that they open, and the daemon's questions about them.
local rpc = require('byokd.rpc')
local M = {}
local MODEL_FILE = vim.fn.stdpath('state') .. '/byokd-model.json'
local lists = {} -- by method, until something changes

local function say(text, level)
  vim.cmd.redraw() -- a prompt may be there
  vim.notify('byokd: ' .. text, level)
end

local function input(prompt) return rpc.await(function(done) vim.ui.input({ prompt = prompt }, done) end) end

function M.select(items, prompt, format)
  vim.cmd.redraw() -- the list may cover what was just written
  return rpc.await(function(done) vim.ui.select(items, { prompt = prompt, format_item = format }, done) end)
end

--- Ask for a text that is not shown; nil if there is none.
local function secret(prompt)
  local ok, text = pcall(vim.fn.inputsecret, prompt)
  return ok and text ~= '' and text or nil
end

--- Call a method from a task; unlock the vault first if it needs its passphrase.
function M.call(method, params, options)
  local result, err = rpc.call(method, params, options)
  if not err or err.kind ~= 'vaultLocked' then return result, err end
  local passphrase = secret('Passphrase of your keys: ') or error(err, 0)
  local _, refused = rpc.call('vault/unlock', { passphrase = { plain = passphrase } }, { secret = true })
  if refused then error(refused, 0) end
  return rpc.call(method, params, options)
end

local function must(method, params, options)
  local result, err = M.call(method, params, options)
  return result or error(err, 0)
end

--- Return all items of a list, from a task.
function M.list(method)
  local items, cursor = {}, nil
  repeat
    local page = must(method, { cursor = cursor or vim.NIL })
    vim.list_extend(items, page.items)
    cursor = page.nextCursor
  until not cursor
  return items
end

local function cached(method)
  local items = lists[method] or M.list(method)
  lists[method] = items
  return items
end

function M.providers() return cached('provider/list') end
function M.models() return cached('model/list') end

for _, method in ipairs({ 'key/changed', 'model/changed', 'vault/changed', 'catalog/changed' }) do
  rpc.handlers[method] = function() lists = {} end
end

-- Keys ----------------------------------------------------------------------------------------

local function provider_of(id)
  for _, provider in ipairs(M.providers()) do
    if provider.id == id then return provider end
  end
  error('there is no provider ' .. id, 0)
end

--- Ask for the fields of a key, send them with a method that stores them, and show the probe's verdict.
local function store(method, provider, params)
  params.fields = vim.empty_dict()
  for _, field in ipairs(provider.fields) do
    if not (field.addressOnly and params.baseUrl) then
      local hint = field.hint or not field.required and 'optional'
      local prompt = ('%s %s%s: '):format(provider.name, field.label, hint and ' (' .. hint .. ')' or '')
      local text = (field.secret and secret or input)(prompt)
      if not text and field.required then return end
      if text and text ~= '' then params.fields[field.name] = field.secret and { plain = text } or text end
    end
  end
  local stored = must(method, params, { secret = true })
  local good = not stored.probe or stored.probe.verdict == 'valid'
  say(stored.probe and stored.probe.message or 'the key is stored', not good and vim.log.levels.WARN or nil)
end

--- Ask for a new key, from a task. The daemon probes it before it stores it.
function M.add(id, base_url)
  local provider = id and provider_of(id) or M.select(M.providers(), 'Provider', function(item) return item.name end)
  if not provider then return end
  if provider.baseUrlRequired and not base_url then
    base_url = input(('Base URL (%s): '):format(provider.baseUrlHint or 'such as http://localhost:8000/v1'))
    if not base_url then return end
  end
  store('key/store', provider, { provider = provider.id, baseUrl = base_url or vim.NIL })
end

local function key_line(key)
  local label, digits = key.label and ' ' .. key.label or '', key.last4 and ' …' .. key.last4 or ''
  return ('%s%s%s  %s  %s'):format(key.provider, label, digits, key.origin, key.state)
end

local METHODS = { Enable = 'enable', Disable = 'disable', Delete = 'delete', ['Use as default'] = 'setDefault' }

--- Let the user choose a stored key, or take that with `key_id`, and do what they choose with it.
function M.manage(key_id, act)
  local keys = vim.tbl_filter(function(key) return not key_id or key.keyId == key_id end, M.list('key/list'))
  if #keys == 0 then return say('there is no key; add one with :Byokd key') end
  local key = key_id and keys[1] or M.select(keys, 'Key', key_line)
  act = act or key and M.select({ 'Update', 'Enable', 'Disable', 'Use as default', 'Delete' }, key_line(key))
  if act == 'Update' then return store('key/rotate', provider_of(key.provider), { keyId = key.keyId }) end
  local question = act == 'Delete' and 'Delete ' .. key_line(key) .. '? It cannot be brought back.'
  if not act or question and vim.fn.confirm(question, '&Keep\n&Delete', 1) ~= 2 then return end
  must('key/' .. METHODS[act], { keyId = key.keyId })
  say(act:lower() .. ': done')
end

rpc.questions['window/showMessageRequest'] = function(params)
  local asking = coroutine.running()
  local options = { prompt = params.message, format_item = function(item) return item.title end }
  vim.ui.select(params.actions, options, vim.schedule_wrap(function(action) coroutine.resume(asking, action) end))
  local action = coroutine.yield()
  if action and action.title == 'Update key' then
    rpc.go(function() M.manage(params._meta.keyId, 'Update') end)
  end
  return action
end

-- Models --------------------------------------------------------------------------------------

--- Return a model's name; with its key, if that is not the default one of the provider.
function M.name(model) return model.provider .. '/' .. model.id .. (model.keyId and '@' .. model.keyId or '') end

local function thousands(tokens) return math.floor(tokens / 1000) .. 'k' end

--- Return a model's name, context, price, end of life, and why it cannot be used.
function M.model_line(model)
  local facts, price, unavailable = { M.name(model) }, model.price, model.unavailable
  if model.contextTokens then table.insert(facts, thousands(model.contextTokens) .. ' context') end
  if price and price.input then
    table.insert(facts, ('%s in, %s out per million %s'):format(price.input, price.output or '?', price.currency))
  end
  if model.endsAt then table.insert(facts, os.date('ends %Y-%m-%d', math.floor(model.endsAt / 1000))) end
  if unavailable then table.insert(facts, 'UNAVAILABLE: ' .. unavailable.kind) end
  return table.concat(facts, '  ')
end

--- Return the model that the user chose last, or nil.
function M.chosen()
  local ok, lines = pcall(vim.fn.readfile, MODEL_FILE)
  return ok and vim.json.decode(lines[1], { luanil = { object = true } }) or nil
end

--- Let the user choose among the models whose name contains `text`, and keep the choice.
function M.choose(text)
  local some = vim.tbl_filter(function(model) return M.name(model):find(text or '', 1, true) end, M.models())
  local exact = vim.tbl_filter(function(model) return M.name(model) == text end, some)[1]
  local provider, id = (text or ''):match('^([^/]+)/(.+)$')
  if #some == 0 and id then exact = { provider = provider_of(provider).id, id = id } end -- a list may lack one
  if #some == 0 and not exact then error('no model matches; add a key with :Byokd key, or name it PROVIDER/MODEL', 0) end
  local model = exact or M.select(some, 'Model', M.model_line)
  if not model then return end
  vim.fn.mkdir(vim.fn.fnamemodify(MODEL_FILE, ':h'), 'p')
  vim.fn.writefile({ vim.json.encode({ provider = model.provider, id = model.id, keyId = model.keyId }) }, MODEL_FILE)
  say(M.model_line(model), model.unavailable and vim.log.levels.WARN or nil)
  return model
end

return M
