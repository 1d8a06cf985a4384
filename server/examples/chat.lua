-- A byokd client in Neovim (0.7 or newer), with its own JSON-RPC.
--
--   nvim --clean -c "luafile chat.lua" -c "lua Byokd.main('BASE_URL', 'MODEL')"
--
-- Stores a key for a server in OpenAI's format, asks one question and prints the answer as it comes.
-- The key is asked for; with --headless it is the first line of stdin. `byokd sandbox` prints base
-- URLs and models to try, and accepts any key that begins with sandbox-key-. $BYOKD names the
-- command to start if it is not `byokd`.

Byokd = {}
local PROVIDER, WAIT_MS = 'openai-compatible', 60000
local command = vim.split(vim.env.BYOKD or 'byokd', ' ')
local headless = #vim.api.nvim_list_uis() == 0
local data_dir = vim.fn.tempname() -- a vault for this program only; leave it out to use yours
vim.list_extend(command, { '--stdio', '--data-dir', data_dir })

local exit_code
local dispatchers = {
  notification = function(method, params)
    if method ~= 'chat/events' then return end
    for _, event in ipairs(params.events) do
      if event.type == 'textDelta' then Byokd.show(event.delta) end
    end
  end,
  server_request = function() -- the daemon asks us something
    return nil, { code = -32601, message = 'not supported' }
  end,
  on_exit = function(code) exit_code = code end,
  on_error = function() end,
}
local rpc = vim.fn.has('nvim-0.11') == 1 and vim.lsp.rpc.start(command, dispatchers)
  or vim.lsp.rpc.start(command[1], vim.list_slice(command, 2), dispatchers)

-- Send a request and wait for its result.
local function request(method, params)
  local done, failure, result = false, nil, nil
  rpc.request(method, params or vim.empty_dict(), function(err, answer)
    done, failure, result = true, err, answer
  end)
  vim.wait(WAIT_MS, function() return done or exit_code ~= nil end, 10)
  assert(done, 'the daemon ended')
  if failure then error(failure.data.userMessage, 0) end
  return result
end

-- Print a piece of text; replace this to write into a buffer.
function Byokd.show(text)
  if headless then io.stdout:write(text) else vim.api.nvim_echo({ { text } }, false, {}) end
end

-- Ask one question, with a vault that lasts as long as this program.
function Byokd.main(base_url, model)
  local key = headless and io.stdin:read('*l') or vim.fn.inputsecret('API key: ')
  request('initialize', { processId = vim.fn.getpid(), capabilities = vim.empty_dict() })
  rpc.notify('initialized', vim.empty_dict())
  Byokd.show(#request('provider/list').items .. ' providers\n')
  -- A real client leaves this out: the first key/store makes a vault in the OS keyring.
  request('vault/initialize', { protection = 'keyFile', acceptRisk = 'keyFile' })
  -- A client that can seal the key does: see "Secrets and sealing" in protocol.md.
  local fields = { apiKey = { plain = key } }
  local stored = request('key/store', { provider = PROVIDER, fields = fields, baseUrl = base_url })
  Byokd.show(stored.probe.message .. '\n')
  local question = { { role = 'user', content = 'Hello from Neovim' } }
  local chat = { streamId = '1', provider = PROVIDER, model = model, messages = question }
  Byokd.show('\n' .. request('chat/send', chat).usage.outputText .. ' tokens of text\n')
  request('shutdown')
  rpc.notify('exit')
  vim.wait(WAIT_MS, function() return exit_code ~= nil end, 10)
  vim.fn.delete(data_dir, 'rf')
end
