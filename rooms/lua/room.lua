-- What the scripts on rooms begin with. A room's keys carry the hash tag of its partition, so that presence's log and
-- the room's own may be touched in one step:
--
--   base .. 'room:' .. room      hash: epoch, offset (of the last event), view (JSON of presence.View)
--   base .. 'events:' .. room    stream of the last events, ids <offset>-0: m, the message as members get it, and v,
--                                the view from then on, if the event changed it
--   base .. 'say:' .. room       channel on which events are told: the view or nothing, a newline, the message
--
-- ARGV[1] base     what all keys and channels of the partition begin with
-- ARGV[2] epoch    a new name, for a room that has none yet
-- ARGV[3] keep     how many events are kept, [4] for how many ms
-- ARGV[5] idle     ms after which a room that is offline and of which nothing was heard is forgotten
-- The scripts' own arguments begin at ARGV[6].

local base, fresh_epoch, keep, age, idle = unpack(ARGV, 1, 5)
local offline = '{"state":"offline"}'
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)

local function int(n) return string.format('%.0f', n) end

-- open_room returns the room's epoch; one that is not known begins a new one.
local function open_room(room)
  local key = base .. 'room:' .. room
  local epoch = redis.call('HGET', key, 'epoch')
  if not epoch then
    epoch = fresh_epoch
    redis.call('HSET', key, 'epoch', epoch, 'offset', '0', 'view', offline)
    redis.call('DEL', base .. 'events:' .. room)
  end
  return epoch
end

-- keep_room puts off the moment at which the room is forgotten. One whose streamer is there is not forgotten at all.
local function keep_room(room)
  local key = base .. 'room:' .. room
  if redis.call('HGET', key, 'view') == offline then
    redis.call('PEXPIRE', key, idle)
  else
    redis.call('PERSIST', key)
  end
end

-- say gives an event its position, keeps it and tells of it. from and data are JSON; from and view may be ''.
local function say(room, name, from, at, data, view)
  local key, events = base .. 'room:' .. room, base .. 'events:' .. room
  local epoch = open_room(room)
  local offset = int(redis.call('HINCRBY', key, 'offset', 1))
  local message = '{"type":"event","room":"' .. room .. '","epoch":"' .. epoch .. '","offset":' .. offset ..
    ',"event":"' .. name .. '"' .. (from ~= '' and ',"from":' .. from or '') .. ',"at":' .. at .. ',"data":' .. data .. '}'
  if view ~= '' then redis.call('HSET', key, 'view', view) end
  redis.call('XADD', events, 'MAXLEN', '=', keep, offset .. '-0', 'm', message, 'v', view)
  redis.call('PEXPIRE', events, age)
  keep_room(room)
  redis.call('SPUBLISH', base .. 'say:' .. room, view .. '\n' .. message)
  return epoch, offset
end
