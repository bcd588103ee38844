-- Settlement of one request: what it had reserved is replaced by what it used. Doing it twice changes
-- nothing of what is held, and takes or gives back rates twice.
--
-- A bucket regains what was reserved by itself as time passes; giving it back as well would count it
-- twice. So at most what cannot have drained since the admission is given back.
--
-- KEYS         one bucket per correction, one set per limit on requests in flight, then account and
--              leases per budget
-- ARGV[1..6]   now or 0, when the request was admitted, request id, how many corrections and limits in
--              flight, what the request has spent
-- ARGV[7..]    amount and units to give back (or, below 0, to take), per correction
local now = clock(ARGV[1])
local elapsed = math.max(0, now - tonumber(ARGV[2]))
local id = ARGV[3]
local corrections, places = tonumber(ARGV[4]), tonumber(ARGV[5])
local spent = tonumber(ARGV[6])

for index = 1, corrections do
  local amount, units = tonumber(ARGV[5 + 2 * index]), tonumber(ARGV[6 + 2 * index])
  if units > 0 then
    units = math.max(0, units - elapsed * amount / PERIOD)
  end
  write_bucket(KEYS[index], read_bucket(KEYS[index], now) - units * PERIOD / amount, now)
end
for index = corrections + 1, corrections + places do
  redis.call('ZREM', KEYS[index], id)
end
for index = corrections + places + 1, #KEYS, 2 do
  local account, leases = KEYS[index], KEYS[index + 1]
  local reserved, counted = entry(account, id)
  if reserved then
    if redis.call('ZREM', leases, id) == 1 then
      redis.call('HINCRBY', account, 'reserved', digits(0 - reserved))
      counted = 0
    end
    redis.call('HINCRBY', account, 'spent', digits(spent - counted))
    redis.call('HDEL', account, id)
  end
end
return 1
