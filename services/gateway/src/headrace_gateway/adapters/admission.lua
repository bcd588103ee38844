-- Admission of one request: all charges are taken, or none, in one atomic step.
--
-- Each limit is a bucket by the generic cell rate algorithm (ITU-T I.371): one number per limit, the
-- theoretical arrival time `tat` in microseconds at which the bucket would be whole again. A limit of
-- `amount` per minute adds period/amount to it per unit and never lets it run more than one period ahead.
--
-- KEYS         first one bucket per charge, then the principal's revocation markers
-- ARGV[1]      now in microseconds, or 0 for this server's own clock (tests freeze time, nobody else)
-- ARGV[2..]    amount and cost, per charge
-- returns      { revoked, index of the refusing charge or 0, now, then per charge: remaining,
--              microseconds until whole, microseconds until the cost fits }
local PERIOD = 60000000

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local charges = (#ARGV - 1) / 2
if #KEYS > charges and redis.call('EXISTS', unpack(KEYS, charges + 1)) > 0 then
  return { 1, 0, now }
end

local reply = { 0, 0, now }
local after = {}
for index = 1, charges do
  local amount = tonumber(ARGV[2 * index])
  local cost = tonumber(ARGV[2 * index + 1])
  local per_unit = PERIOD / amount
  local tat = math.max(now, tonumber(redis.call('GET', KEYS[index]) or '0'))
  local wanted = tat + cost * per_unit
  -- half a microsecond forgives the rounding of period/amount
  local wait = wanted - now - PERIOD - 0.5
  if wait > 0 and reply[2] == 0 then
    reply[2] = index
  end
  after[index] = { tat = tat, wanted = wanted, wait = math.max(0, wait), per_unit = per_unit }
end

for index = 1, charges do
  local bucket = after[index]
  local tat = bucket.tat
  if reply[2] == 0 then
    tat = bucket.wanted
    -- %.0f, for Lua's tostring would round a number of this size
    redis.call('SET', KEYS[index], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
  end
  reply[#reply + 1] = math.max(0, math.floor((PERIOD - (tat - now) + 0.5) / bucket.per_unit))
  reply[#reply + 1] = math.ceil(tat - now)
  reply[#reply + 1] = math.ceil(bucket.wait)
end
return reply
