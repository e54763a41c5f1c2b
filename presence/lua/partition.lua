-- What every script on a partition begins with, those of package rooms too: the time, and the partition's epoch.
--
-- An epoch is a stretch in which nothing of the partition was lost. Another server (its run_id: a restart, perhaps from
-- an old dump; a failover) or a marker that is gone (FLUSHALL) ends it. A node says under which epoch it knows the
-- partition. If that is not the present one, nothing is done: the node must first put back what it knows.
--
-- ARGV[1] base     what the names of all keys of this partition begin with. A room's own keys are made from it, since
--                  a sweep does not know beforehand which it will touch.
-- ARGV[2] known    the epoch that the caller knows; '' asks for it
--
-- The partition itself: base .. 'partition', a hash of
--   seq     of the last transition      fence   the last one given
--   clock   of the windows, ms          swept   when it was last moved on, Unix ms
--   epoch   as above                    run     run_id of the server under which it began
--   first   seq at which it began       before  seq up to which what survived of earlier epochs goes
--   since   Unix ms at which nodes began to put back what was lost, 0 if nothing was
-- and base .. 'log', the stream of transitions, ids <seq>-0.
--
-- Numbers that do not fit into 14 digits lose some when Lua prints them: they are kept as text, or printed by int.

local base, known = ARGV[1], ARGV[2]
local partition_key, log_key = base .. 'partition', base .. 'log'
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

local function int(n) return string.format('%.0f', n) end

-- begin_epoch goes on with a seq above all that any node can have read, so that followers see a gap and load anew. If
-- there is nothing, and the caller knows of nothing either, it is the first one.
local function begin_epoch(run)
  local new = string.format('%x', micros)
  local before = redis.call('HGET', partition_key, 'seq')
  local first = 0
  if before or known ~= '' then first = math.max(tonumber(before or 0), micros) + 1 end
  redis.call('HSET', partition_key, 'epoch', new, 'run', run, 'before', before or '0', 'first', int(first), 'seq', int(first),
    'since', known == '' and '0' or int(now))
  if first > 0 then
    redis.call('XADD', log_key, int(first) .. '-0', 'kind', 'epoch')
    redis.call('SPUBLISH', base .. 'news', '')
  end
  return new
end

local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local epoch, of_run = unpack(redis.call('HMGET', partition_key, 'epoch', 'run'))
local begun = not epoch or of_run ~= run
if begun then epoch = begin_epoch(run) end
if known ~= '' and known ~= epoch then return { 'epoch', epoch } end
