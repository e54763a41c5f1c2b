-- Read: the room as it stands. ARGV[8] room, [9] epoch and [10] offset up to which the caller has all events, or ''.
-- Returns ok, the epoch, the offset, the view, and the events: those after the caller's offset if the epoch is the same,
-- otherwise all that are kept. Each is message, view.
local room, epoch_known, offset_known = unpack(ARGV, 8, 10)

-- What was put back after a loss must be in the view already, or members would be shown what somebody knew who was behind.
apply(1000)
local of = open_room(room)
keep_room(room)
local offset, view = unpack(redis.call('HMGET', base .. 'room:' .. room, 'offset', 'view'))
local first = '-'
if of == epoch_known and tonumber(offset_known) <= tonumber(offset) then
  first = int(tonumber(offset_known) + 1) .. '-0'
end
local events = {}
for _, entry in ipairs(redis.call('XRANGE', base .. 'events:' .. room, first, '+')) do
  events[#events + 1] = { entry[2][2], entry[2][4] }
end
return { 'ok', of, offset, view, events }
