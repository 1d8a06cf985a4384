-- The daemon's process and calls to it, over Neovim's own JSON-RPC. Its log is `:help lsp-log`.
local M = { handlers = {}, questions = {} }
local daemon -- { rpc, calls, waiting, info, command }

--- Run `task`, in which `M.await` may be called. An error that it raises is shown.
function M.go(task)
  local thread = coroutine.create(task)
  local function step(...)
    local ok, start = coroutine.resume(thread, ...)
    if not ok then return vim.notify('byokd: ' .. M.describe(start), vim.log.levels.ERROR) end
    if coroutine.status(thread) ~= 'dead' then start(vim.schedule_wrap(step)) end
  end
  step()
end

--- Call `start` with a function, and return what that function gets.
function M.await(start) return coroutine.yield(start) end

--- Run `task` and wait at most `ms` milliseconds for its result.
function M.wait(ms, task)
  local done, result = false, nil
  M.go(function()
    result = task()
    done = true
  end)
  vim.wait(ms, function() return done end, 10)
  return result
end

local NEXT_STEP = {
  promptKey = ':Byokd key %s',
  enableKey = ':Byokd keys',
  pickModel = ':Byokd model',
  initializeVault = '`byokd vault init` in a terminal',
  restoreBackup = '`byokd vault restore` in a terminal',
}

--- Return the sentence of an error, with what to do.
function M.describe(err)
  if type(err) ~= 'table' then return tostring(err) end
  local step = err.action and (NEXT_STEP[err.action.type] or err.action.url)
  return err.userMessage .. (step and ' (' .. step:format(err.provider or '') .. ')' or '')
end

--- Return the command that starts the daemon and where it was found; or nil and the reason.
function M.find()
  local command, installed = require('byokd').options.command, vim.fn.expand('~/.local/bin/byokd')
  if command then return type(command) == 'table' and command or { command }, 'the option `command`' end
  if vim.fn.executable('byokd') == 1 then return { vim.fn.exepath('byokd') }, 'PATH' end
  if vim.fn.executable(installed) == 1 then return { installed }, 'where byokd installs itself' end
  return nil, 'there is no byokd on your PATH: install it or set `command`, see :help byokd-daemon'
end

--- Fail the calls of a daemon that ended; the next call starts another one.
local function ended(process, code, signal)
  local how = signal ~= 0 and 'signal ' .. signal or 'exit code ' .. code
  local err = { userMessage = ('the daemon ended (%s); see :edit %s'):format(how, vim.lsp.get_log_path()) }
  if daemon == process then
    daemon = nil
    vim.notify('byokd: ' .. err.userMessage .. '; the next command starts it again', vim.log.levels.WARN)
  end
  for _, done in pairs(process.calls) do
    done(nil, err)
  end
end

--- Send a request; `done` gets its result, or nil and `error.data`. With `secret` it is in no log.
local function request(process, method, params, done, secret)
  local level, id = vim.lsp.log.get_level(), nil
  if secret then vim.lsp.set_log_level('off') end
  _, id = process.rpc.request(method, params or vim.empty_dict(), function(err, result)
    process.calls[done] = nil
    done(result, err and (err.data or { userMessage = err.message }))
  end)
  if secret then vim.lsp.set_log_level(level) end
  process.calls[done] = done
  return id
end

local function spawn()
  local command, reason = M.find()
  local process = { calls = {}, waiting = {} }
  local words = vim.list_extend(vim.list_slice(command or error(reason, 0)), { '--stdio' })
  local dispatchers = {
    notification = function(method, params) return M.handlers[method] and M.handlers[method](params) end,
    server_request = function(method, params)
      if M.questions[method] then return M.questions[method](params) or vim.NIL end
      return nil, vim.lsp.rpc_response_error(-32601)
    end,
    on_exit = vim.schedule_wrap(function(code, signal) ended(process, code, signal) end),
    on_error = function() end,
  }
  -- In the home folder, so that no program of the project is started.
  local spawning = { cwd = vim.fn.expand('~'), detached = true }
  process.rpc = vim.fn.has('nvim-0.11') == 1 and vim.lsp.rpc.start(words, dispatchers, spawning)
    or vim.lsp.rpc.start(words[1], vim.list_slice(words, 2), dispatchers, spawning)
  return process.rpc and process or error(words[1] .. ' cannot be started', 0)
end

--- Return the running daemon, started and initialized if there is none, or nil and the error.
local function connect()
  if daemon and daemon.info then return daemon end
  if daemon then return M.await(function(done) table.insert(daemon.waiting, done) end) end
  local process = spawn()
  daemon = process
  local options = { clientInfo = { name = 'byokd.nvim', version = '0.1.0' }, capabilities = { prompt = true } }
  options.account = require('byokd').options.account
  local params = { processId = vim.fn.getpid(), capabilities = vim.empty_dict(), initializationOptions = { byokd = options } }
  local info, err = M.await(function(done) request(process, 'initialize', params, done) end)
  process.info = info
  if info then process.rpc.notify('initialized', vim.empty_dict()) end
  for _, done in ipairs(process.waiting) do
    done(info and process, err)
  end
  return info and process, err
end

--- Call a method from a task; return its result, or nil and `error.data`.
--- Options: `secret` keeps the params out of Neovim's log; `started` gets a function that cancels.
function M.call(method, params, options)
  local process, err = connect()
  if not process then return nil, err end
  options = options or {}
  return M.await(function(done)
    local id = request(process, method, params, done, options.secret)
    if options.started then
      options.started(function() process.rpc.notify('$/cancelRequest', { id = id }) end)
    end
  end)
end

--- Return the result of `initialize`, from a task.
function M.info()
  local process, err = connect()
  return process and process.info or error(err, 0)
end

return M
