-- Publish: ARGV[8] room, [9] name of the event, [10] from, JSON or '', [11] data, JSON, [12] idempotency key or '',
-- [13] what tells two publications under one key apart, [14] ms that a key is remembered, [15] how many are at most,
-- [16] how many notes of the partition are kept if it is to be noted in base .. 'notes', a stream (presence.Notes), else 0,
-- [17] the user who says it, [18] ms that must be between two events of theirs, or 0.
-- Two more keys of the room remember them: base .. 'used:' .. room, a hash of key -> digest epoch offset, and
-- base .. 'usedat:' .. room, a sorted set of key -> when.
-- Another is base .. 'slow:' .. room, a sorted set of user -> when they said something last.
-- Returns ok or reused, epoch and offset; or slow and how many ms are still to go.
local room, name, from, data, key, digest, remembered, most, notes, user, slow = unpack(ARGV, 8, 18)
slow = tonumber(slow)
local used, used_at = base .. 'used:' .. room, base .. 'usedat:' .. room

local function forget(keys)
  if #keys > 0 then
    redis.call('HDEL', used, unpack(keys))
    redis.call('ZREM', used_at, unpack(keys))
  end
end

if key ~= '' then
  forget(redis.call('ZRANGEBYSCORE', used_at, '-inf', '(' .. int(now - remembered), 'LIMIT', 0, 1000))
  local known = redis.call('HGET', used, key)
  if known then
    local was, of, offset = string.match(known, '^(%S+) (%S+) (%S+)$')
    return { was == digest and 'ok' or 'reused', of, offset }
  end
end
local words = base .. 'slow:' .. room
if slow > 0 then
  redis.call('ZREMRANGEBYSCORE', words, '-inf', int(now - slow))
  local last = redis.call('ZSCORE', words, user)
  if last then return { 'slow', math.min(last + slow - now, slow) } end -- the clock may have been set back
  redis.call('ZADD', words, int(now), user)
  redis.call('PEXPIRE', words, int(slow))
end
local of, offset = say(room, name, from, int(now), data, '')
if notes ~= '0' then
  redis.call('XADD', base .. 'notes', 'MAXLEN', '~', notes, '*', 'kind', 'chat', 'room', room, 'data',
    '{"epoch":"' .. of .. '","offset":' .. offset .. (from ~= '' and ',"from":' .. from or '') .. ',"at":' .. int(now) .. ',"data":' .. data .. '}')
end
if key ~= '' then
  redis.call('HSET', used, key, digest .. ' ' .. of .. ' ' .. offset)
  redis.call('ZADD', used_at, int(now), key)
  local over = redis.call('ZCARD', used_at) - tonumber(most)
  if over > 0 then forget(redis.call('ZRANGE', used_at, 0, over - 1)) end
  redis.call('PEXPIRE', used, remembered)
  redis.call('PEXPIRE', used_at, remembered)
end
return { 'ok', of, offset }
