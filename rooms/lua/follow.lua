-- What apply.lua and read.lua have after room.lua: how transitions come into their rooms, each once, whoever applies them
-- how often. The position of the follower ARGV[7] among presence's is the cursor.
local follower = ARGV[7]
local followers_key = base .. 'followers'

-- tell_room tells a room of one entry of the log.
local function tell_room(seq, t)
  if t.kind == 'lease.moved' then return end -- who holds it is nothing that a room is told
  local _, new = open_room(t.room)
  if new then say_anew(t.room) end
  local after, view = unpack(redis.call('HMGET', base .. 'room:' .. t.room, 'after', 'view'))
  if seq <= tonumber(after) then return end -- the room began with this
  if t.kind == 'lease.restored' then
    if view ~= t.after then
      begin_room(t.room, true)
      say_anew(t.room)
      keep_room(t.room)
    end
    return
  end
  local data = '{"user":' .. t.user .. '}'
  if t.broadcast ~= '' then
    data = '{"broadcast":' .. t.broadcast
    if t.reason ~= '' then data = data .. ',"reason":"' .. t.reason .. '"' end
    if t['until'] ~= '' then data = data .. ',"until":' .. t['until'] end
    data = data .. '}'
  end
  say(t.room, t.kind, '', t.at, data, t.after)
end


-- apply moves at most so many, and returns how many it moved.
local function apply(most)
  local cursor = redis.call('HGET', followers_key, follower) or '0'
  local first, seq = unpack(redis.call('HMGET', partition_key, 'first', 'seq'))
  -- What an earlier epoch left in the log is in no room's view any more: rooms begin anew.
  if tonumber(cursor) < tonumber(first) then cursor = first end
  if tonumber(cursor) >= tonumber(seq or 0) then return 0 end
  local entries = redis.call('XRANGE', log_key, int(tonumber(cursor) + 1) .. '-0', '+', 'COUNT', most)
  for _, entry in ipairs(entries) do
    local t = {}
    for i = 1, #entry[2], 2 do t[entry[2][i]] = entry[2][i + 1] end
    cursor = string.match(entry[1], '^%d+')
    if t.room then tell_room(tonumber(cursor), t) end
  end
  if #entries > 0 then redis.call('HSET', followers_key, follower, cursor) end
  return #entries
end
