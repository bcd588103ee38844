-- Settlement of one request: gives back, or with a negative number takes, units of each bucket.
--
-- A bucket regains what was reserved by itself as time passes; giving it back as well would count it
-- twice. So at most what cannot have drained since the admission is given back.
--
-- KEYS         one bucket per correction, as in admission.lua
-- ARGV[1]      when the request was admitted, in microseconds
-- ARGV[2]      now in microseconds, or 0 for this server's own clock
-- ARGV[3..]    amount and units to give back, per correction
local PERIOD = 60000000

local now = tonumber(ARGV[2])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local elapsed = math.max(0, now - tonumber(ARGV[1]))
for index = 1, #KEYS do
  local amount = tonumber(ARGV[2 * index + 1])
  local units = tonumber(ARGV[2 * index + 2])
  if units > 0 then
    units = math.max(0, units - elapsed * amount / PERIOD)
  end
  local tat = math.max(now, tonumber(redis.call('GET', KEYS[index]) or '0'))
  tat = tat - units * PERIOD / amount
  if tat > now then
    redis.call('SET', KEYS[index], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
  else
    redis.call('DEL', KEYS[index])
  end
end
return #KEYS
