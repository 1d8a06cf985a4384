-- The daemon, which `vim.lsp` runs, and requests to it.
local M = { handlers = {} } -- `handlers` get what the daemon sends, see |lsp-handler|
local WAIT_MS = 30000
local NEXT_STEP = { promptKey = ':Byokd key', pickModel = ':Byokd model', unlockVault = ':Byokd unlock' }
local client, waiting = nil, {} -- the running daemon, and the functions that wait for a response

--- Return the sentence of an error (a text, or `error.data` of a response), with what to do.
function M.describe(err)
  if type(err) ~= 'table' then return tostring(err) end
  local step = err.action and (NEXT_STEP[err.action.type] or err.action.url)
  return err.userMessage .. (step and ' (' .. step .. ')' or '')
end

function M.say(text, level)
  vim.cmd.redraw() -- a prompt may be there
  vim.notify('byokd: ' .. text, level)
end

--- Call a function and return its result; show its error instead of raising it.
function M.try(run, ...)
  local ok, result = pcall(run, ...)
  if ok then return result end
  M.say(M.describe(result), vim.log.levels.ERROR)
end

--- Return the command that starts the daemon and where it was found; or nil and what to do.
function M.find()
  local command, installed = require('byokd').options.command, vim.fn.expand('~/.local/bin/byokd')
  if type(command) == 'string' then command = { vim.fn.expand(command) } end
  if command then return vim.list_slice(command), 'the option `command`' end
  if vim.fn.executable('byokd') == 1 then return { vim.fn.exepath('byokd') }, 'PATH' end
  if vim.fn.executable(installed) == 1 then return { installed }, 'where byokd installs itself' end
  return nil, 'there is no byokd on your PATH: install it or set `command`, see :help byokd-daemon'
end

local function on_exit(code, signal)
  local calls, how = waiting, signal ~= 0 and 'signal ' .. signal or 'exit code ' .. code
  local err = { userMessage = ('the daemon ended (%s); the next command starts it again'):format(how) }
  client, waiting = nil, {}
  for done in pairs(calls) do done(err) end
end

--- Return the running daemon; start it if there is none.
local function connect()
  if client then return client end
  local command, problem = M.find()
  local start = vim.fn.has('nvim-0.11') == 1 and vim.lsp.start or vim.lsp.start_client
  local id = start({
    name = 'byokd',
    cmd = vim.list_extend(command or error(problem, 0), { '--stdio' }),
    cmd_cwd = vim.fn.expand('~'), -- so that no program of the project is started
    init_options = { byokd = { account = require('byokd').options.account, capabilities = { prompt = true } } },
    handlers = M.handlers,
    on_init = function(_, result) M.version = result.serverInfo.version end,
    on_exit = vim.schedule_wrap(on_exit),
  }, { attach = false, reuse_client = function() return false end })
  client = id and vim.lsp.get_client_by_id(id)
  vim.wait(WAIT_MS, function() return not client or client.initialized end, 10)
  return client and client.initialized and client or error('the daemon does not start; see :help lsp-log', 0)
end

--- Send a request. `done` gets its error or nil, and its result. Return a function that cancels it.
function M.send(method, params, done)
  local rpc, log = connect().rpc, require('vim.lsp.log')
  local level = log.get_level()
  log.set_level('OFF') -- the request may have a key
  local _, id = rpc.request(method, params, function(err, result)
    waiting[done] = nil
    done(err and (err.data or { userMessage = err.message }), result)
  end)
  log.set_level(level)
  waiting[done] = true
  return function() rpc.notify('$/cancelRequest', { id = id }) end
end

--- Wait for the result of a request and return it; raise its error. <C-c> ends the waiting.
function M.call(method, params)
  local answer
  local cancel = M.send(method, params or vim.empty_dict(), function(...) answer = { ... } end)
  if not vim.wait(WAIT_MS, function() return answer end, 10) then
    cancel()
    error('no longer waiting for ' .. method, 0)
  end
  return answer[2] or error(answer[1], 0)
end

--- Return all items of a list.
function M.list(method)
  local items, page = {}, {}
  repeat
    page = M.call(method, { cursor = page.nextCursor or vim.NIL })
    vim.list_extend(items, page.items)
  until not page.nextCursor
  return items
end

return M
