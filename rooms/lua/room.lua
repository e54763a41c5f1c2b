-- What the scripts on rooms have after presence's partition.lua and view.lua. A room's keys carry the hash tag of its
-- partition, so that presence's log and the room's own may be touched in one step:
--
--   base .. 'room:' .. room      hash: epoch, offset (of the last event), view (JSON of presence.View), under (the
--                                partition's epoch) and after (the seq up to which the view reflected the log then)
--   base .. 'events:' .. room    stream of the last events, ids <offset>-0: m, the message as members get it, and v,
--                                the view from then on, if the event changed it
--   base .. 'say:' .. room       channel on which events are told: the view or nothing, a newline, the message. Nodes tell
--                                reactions there as well: the word reactions, a newline, JSON of kind -> number
--
-- ARGV[3] epoch    a new name, for rooms that begin anew
-- ARGV[4] keep     how many events are kept, [5] for how many ms
-- ARGV[6] idle     ms after which a room that is offline and of which nothing was heard is forgotten
-- ARGV[7] follower  the name under which rooms follow presence's log
-- The scripts' own arguments begin at ARGV[8].

local fresh_epoch, keep, age, idle = unpack(ARGV, 3, 6)
local offline = '{"state":"offline"}'

-- begin_room begins a room anew. As long as nothing of the partition was ever lost that is an empty one, and all that
-- happened to its streamer is in it or still to be applied. Otherwise, or if asked, it begins with the streamer as they
-- are now.
local function begin_room(room, as_is)
  local first, seq = unpack(redis.call('HMGET', partition_key, 'first', 'seq'))
  local view, after = offline, '0'
  if as_is or first ~= '0' then view, after = view_of(read_lease(room)), seq end
  redis.call('HSET', base .. 'room:' .. room, 'epoch', fresh_epoch, 'offset', '0', 'view', view, 'under', epoch, 'after', after)
  redis.call('DEL', base .. 'events:' .. room)
  return fresh_epoch
end

-- open_room returns the room's epoch, and whether it has just begun: a room that is not known, or that is of an earlier
-- epoch of its partition.
local function open_room(room)
  local known_epoch, under = unpack(redis.call('HMGET', base .. 'room:' .. room, 'epoch', 'under'))
  if known_epoch and under == epoch then return known_epoch, false end
  return begin_room(room), true
end

-- say_anew tells all nodes that the room has begun anew: they read it as it is.
local function say_anew(room)
  redis.call('SPUBLISH', base .. 'say:' .. room, '\n{"type":"event","room":"' .. room .. '","epoch":"' .. fresh_epoch .. '","offset":0}')
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
  local room_epoch = open_room(room)
  local offset = int(redis.call('HINCRBY', key, 'offset', 1))
  local message = '{"type":"event","room":"' .. room .. '","epoch":"' .. room_epoch .. '","offset":' .. offset ..
    ',"event":"' .. name .. '"' .. (from ~= '' and ',"from":' .. from or '') .. ',"at":' .. at .. ',"data":' .. data .. '}'
  if view ~= '' then redis.call('HSET', key, 'view', view) end
  redis.call('XADD', events, 'MAXLEN', '=', keep, offset .. '-0', 'm', message, 'v', view)
  redis.call('PEXPIRE', events, age)
  keep_room(room)
  redis.call('SPUBLISH', base .. 'say:' .. room, view .. '\n' .. message)
  return room_epoch, offset
end
