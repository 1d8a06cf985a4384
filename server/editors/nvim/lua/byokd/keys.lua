-- Keys, the models that they open, and the daemon's question about a key.
local daemon = require('byokd.daemon')
local M = { commands = {} }

--- Return the name of a model; with its key, if that is not the default one of the provider.
local function name_of(model)
  return model.provider .. '/' .. model.id .. (model.keyId and '@' .. model.keyId or '')
end

--- Return what completes after `:Byokd key` and `:Byokd model`.
function M.names(command)
  if command == 'model' then return vim.tbl_map(name_of, daemon.list('model/list')) end
  local providers = command == 'key' and daemon.list('provider/list') or {}
  return vim.tbl_map(function(provider) return provider.id end, providers)
end

--- Ask for the fields of a key, send them with a method that stores them, and show the probe's verdict.
local function store(method, id, params)
  local function is_it(provider) return provider.id == id end
  local provider = vim.tbl_filter(is_it, daemon.list('provider/list'))[1] or error('there is no ' .. id, 0)
  if provider.baseUrlRequired and not params.baseUrl and not params.keyId then
    params.baseUrl = vim.fn.input(('Base URL (%s): '):format(provider.baseUrlHint or 'http://localhost:8000/v1'))
  end
  params.fields = vim.empty_dict()
  for _, field in ipairs(provider.fields) do
    local hint, ask = field.hint and ' (' .. field.hint .. ')' or '', field.secret and 'inputsecret' or 'input'
    local skip = field.addressOnly and params.baseUrl
    local text = skip and '' or vim.fn[ask](provider.name .. ' ' .. field.label .. hint .. ': ')
    if text ~= '' then params.fields[field.name] = field.secret and { plain = text } or text end
  end
  local probe = daemon.call(method, params).probe
  daemon.say(probe and probe.message or 'the key is stored')
end

--- Add a key: `:Byokd key [provider] [base-url]`.
function M.commands.key(call)
  local function add(id) store('key/store', id, { provider = id, baseUrl = call.fargs[2] }) end
  if call.fargs[1] then return add(call.fargs[1]) end
  vim.ui.select(M.names('key'), { prompt = 'Provider' }, function(id) return id and daemon.try(add, id) end)
end

function M.commands.unlock()
  local passphrase = vim.fn.inputsecret('Passphrase of your keys (empty: ask the OS keyring): ')
  daemon.call('vault/unlock', { passphrase = passphrase ~= '' and { plain = passphrase } or vim.NIL })
  daemon.say('the vault is unlocked')
end

daemon.handlers['window/showMessageRequest'] = function(err, params, ...)
  local action, meta = vim.lsp.handlers['window/showMessageRequest'](err, params, ...), params._meta
  if action.title == 'Update key' then
    vim.schedule(function() daemon.try(store, 'key/rotate', meta.provider, { keyId = meta.keyId }) end)
  end
  return action
end

--- Return a model's name, context, price, end of life, and why it cannot be used.
local function describe(model)
  local price, facts = model.price or {}, { name_of(model) }
  local function add(fact, ...) facts[#facts + 1] = fact and string.format(...) or nil end
  add(model.contextTokens, '%dk context', (model.contextTokens or 0) / 1000)
  add(price.input, '%s in, %s out per million %s', price.input, price.output or '?', price.currency)
  add(model.endsAt, 'ends %s', os.date('%F', (model.endsAt or 0) / 1000))
  add(model.unavailable, 'UNAVAILABLE: %s', (model.unavailable or {}).kind)
  return table.concat(facts, '  ')
end

--- Choose a model: `:Byokd model [name]`. A name that is given may be one that no list has.
function M.commands.model(call)
  local function use(name)
    vim.g.BYOKD_MODEL = name -- kept for later sessions, see |shada-!|
    daemon.say(name)
  end
  if call.fargs[1] then return use(call.fargs[1]) end
  local models = daemon.list('model/list')
  if not models[1] then error('no key opens a model (:Byokd key)', 0) end
  vim.ui.select(models, { prompt = 'Model', format_item = describe }, function(it) return it and use(name_of(it)) end)
end

--- Return the params of `chat/send` that name the chosen model.
function M.model_params()
  local provider, id = (vim.g.BYOKD_MODEL or ''):match('^([^/]+)/(.+)$')
  if not id then error('no model is chosen (:Byokd model)', 0) end
  local model, key_id = id:match('^(.+)@(key_%w+)$')
  return { provider = provider, model = model or id, keyId = key_id }
end

return M
