-- One route's quota, shared by all who name it: settles what is finished, then grants what is wanted
-- if there is room for it. A script runs alone in its server, so no interleaving grants twice.
--
-- KEYS[1]  All that is known of the route, a hash: `state`, and one field for each grant of the last
--          minute, named by its number. One key, so that it is lost as a whole or not at all.
-- ARGV[1]  How to count, the same at each call: JSON, see `_settings` in shared_counter.py.
-- ARGV[2]  What to do now: JSON, see `_ask` there.
-- Returns  JSON: {grant: …}, {wait: seconds}, {denied: "day"}, {in_flight: true}, {lost: true} or
--          {}; but for `lost`, with the `epoch` and the number of the last grant, `newest`.
--
-- Lists of four are by kind: requests, tokens, prompt tokens, completion tokens a minute. Lists of
-- two: requests and tokens a day. A limit of 0 is none. Seconds since 1970 UTC, by this server.

local key = KEYS[1]
local how = cjson.decode(ARGV[1])
local ask = cjson.decode(ARGV[2])
local window = how.minute * how.window_margin
local even_window = how.even * how.window_margin
local DAY = 86400
local WALK = 1000 -- entries looked at to tell a wait: a shorter one is only asked again

local function amounts(prompt, completion)
  return { 1, prompt + completion, prompt, completion }
end

local function daily(prompt, completion)
  return { 1, prompt + completion }
end

local function begin()
  local packed = redis.call('HGET', key, 'state')
  if packed then
    return cmsgpack.unpack(packed)
  end
  return {
    epoch = ask.nonce, -- differs from that of a state that was lost
    now = 0,
    not_before = 0,
    oldest = 1, -- number of the first grant that is in the window
    newest = 0,
    sums = { 0, 0, 0, 0 }, -- of the window
    even_oldest = 1, -- as `oldest`, of ten seconds
    even_sums = { 0, 0, 0, 0 }, -- of what is likely, then of what was used
    even_doubts = { 0, 0, 0, 0 }, -- variance of what is likely
    due = { 0, 0, 0, 0 }, -- when the next amount is due, by the pace
    saved = { 0, 0, 0, 0 }, -- seconds by which it was due earlier than was known
    known = { 1, 1, 1, 1 }, -- answers of which is known what they used
    shares = { 1, 1, 1, 1 }, -- of what is reserved that is used, on average
    variances = { 0, 0, 0, 0 }, -- of those shares
    day = 0,
    used = { 0, 0 },
    reserved = { 0, 0 },
  }
end

local state = begin()

local function save()
  redis.call('HSET', key, 'state', cmsgpack.pack(state))
  redis.call('EXPIRE', key, how.keep_seconds)
end

local function answer(said)
  save()
  said.epoch, said.newest = state.epoch, state.newest
  return cjson.encode(said)
end

-- Whoever remembers a grant that is not remembered here knows that grants were lost: with a restart,
-- a flush, or a fail-over to a replica that lagged. Nobody then knows what the last minute held.
local function is_lost()
  return ask.epoch ~= '' and (ask.epoch ~= state.epoch or ask.newest > state.newest)
end

local function lose()
  if ask.epoch == state.epoch then
    state.epoch = ask.nonce -- so that all others learn of it too
  end
  state.not_before = state.now + window
  save()
  return cjson.encode({ lost = true })
end

-- The clock never goes back, so that grants stay in their order.
local function tell_time()
  local time = redis.call('TIME')
  state.now = math.max(state.now, tonumber(time[1]) + tonumber(time[2]) / 1e6)
  local day = math.floor(state.now / DAY)
  if day ~= state.day then
    state.day, state.used, state.reserved = day, { 0, 0 }, { 0, 0 }
  end
  if ask.today[1] == day then
    state.used = { math.max(state.used[1], ask.today[2]), math.max(state.used[2], ask.today[3]) }
  end
end

-- An entry is {when, prompt, completion, paced, doubts}: what is counted of it now; in ten seconds,
-- by kind, what it is likely to use or did use, and the variance of that.
local function entry_of(number)
  return cmsgpack.unpack(redis.call('HGET', key, number))
end

local function keep(number, entry)
  redis.call('HSET', key, number, cmsgpack.pack(entry))
end

local function count_even(entry, sign)
  for kind = 1, 4 do
    state.even_sums[kind] = state.even_sums[kind] + sign * entry[4][kind]
    state.even_doubts[kind] = state.even_doubts[kind] + sign * entry[5][kind]
  end
end

local function forget_what_left_the_window()
  while state.oldest <= state.newest do
    local entry = entry_of(state.oldest)
    if entry[1] > state.now - window then
      return
    end
    for kind, amount in ipairs(amounts(entry[2], entry[3])) do
      state.sums[kind] = state.sums[kind] - amount
    end
    redis.call('HDEL', key, state.oldest)
    state.oldest = state.oldest + 1
  end
end

local function forget_what_left_ten_seconds()
  while state.even_oldest <= state.newest do
    local entry = entry_of(state.even_oldest)
    if entry[1] > state.now - even_window then
      return
    end
    count_even(entry, -1)
    state.even_oldest = state.even_oldest + 1
  end
  state.even_sums, state.even_doubts = { 0, 0, 0, 0 }, { 0, 0, 0, 0 } -- as sums round
end

-- What answers are likely to use, ten seconds and the pace: as `_Answers`, `_Even` and `_Pace` in
-- pacing.py, which say why.

local function likely(kind, amount)
  return amount * state.shares[kind]
end

local function doubt(kind, amount)
  return amount * amount * state.variances[kind]
end

local function learn(kind, reserved, used)
  if used > 0 and reserved > 0 then
    state.known[kind] = state.known[kind] + 1
    local rate = math.max(how.learning_rate, 1 / state.known[kind])
    local off = used / reserved - state.shares[kind]
    state.shares[kind] = state.shares[kind] + rate * off
    state.variances[kind] = (1 - rate) * (state.variances[kind] + rate * off * off)
  end
end

local function even_room(kind, amount)
  local share, paced = how.limits[kind] * how.even / how.minute, likely(kind, amount)
  local few = how.coarse_share * share
  local doubts = state.even_doubts[kind] + doubt(kind, amount)
  local spare = math.min(how.spreads * math.sqrt(math.max(0, doubts)), few)
  return share - spare + (paced > few and paced or 0)
end

local function seconds_each(kind)
  return how.minute / (how.limits[kind] * how.aim)
end

local function early(kind, amount)
  local interval = likely(kind, amount) * seconds_each(kind)
  local room = how.even * (1 - how.aim) - interval
  return math.min(math.max(0, room / 2), how.most_early)
end

local function pace(kind, paced)
  local saved = math.min(state.saved[kind], how.forward)
  local due = math.max(state.due[kind], state.now - saved)
  state.saved[kind] = math.max(0, state.now - due)
  state.due[kind] = due + paced * seconds_each(kind)
end

local function settle_pace(kind, used, paced)
  local earlier = (paced - used) * seconds_each(kind)
  state.due[kind] = state.due[kind] - earlier
  state.saved[kind] = math.max(0, state.saved[kind] + earlier)
end

local function settle_window(number, used)
  if number >= state.oldest then
    local entry = entry_of(number)
    local counted, now = amounts(entry[2], entry[3]), amounts(used[1], used[2])
    for kind = 1, 4 do
      state.sums[kind] = state.sums[kind] + now[kind] - counted[kind]
    end
    local settled = { entry[1], used[1], used[2], now, { 0, 0, 0, 0 } }
    if number >= state.even_oldest then
      count_even(entry, -1)
      count_even(settled, 1)
    end
    keep(number, settled)
  end
end

local function settle_day(done)
  if done.day == state.day then
    local reserved, used = daily(unpack(done.reserved)), daily(unpack(done.used))
    for kind = 1, 2 do
      state.reserved[kind] = state.reserved[kind] - reserved[kind]
      state.used[kind] = state.used[kind] + used[kind]
    end
  end
end

local function settle(done)
  settle_day(done)
  if done.known then
    settle_window(done.number, done.used)
    local reserved, used = amounts(unpack(done.reserved)), amounts(unpack(done.used))
    for kind = 1, 4 do
      if how.limits[kind] > 0 then
        settle_pace(kind, used[kind], done.paced[kind])
        learn(kind, reserved[kind], used[kind])
      end
    end
  end
end

-- Whether the day leaves no room: by what is settled, or by that and what is in flight.
local function is_spent(wanted, with_reserved)
  for kind = 1, 2 do
    local counted = state.used[kind] + (with_reserved and state.reserved[kind] or 0)
    if how.daily[kind] > 0 and counted + wanted[kind] > how.daily[kind] then
      return true
    end
  end
  return false
end

local function is_over(sums, wanted)
  for kind = 1, 4 do
    if how.limits[kind] > 0 and sums[kind] + wanted[kind] > how.limits[kind] then
      return true
    end
  end
  return false
end

local function window_wait(wanted)
  local sums, wait = { unpack(state.sums) }, 0
  local number, last = state.oldest, math.min(state.newest, state.oldest + WALK)
  while is_over(sums, wanted) and number <= last do
    local entry = entry_of(number)
    for kind, amount in ipairs(amounts(entry[2], entry[3])) do
      sums[kind] = sums[kind] - amount
    end
    wait = entry[1] + window - state.now
    number = number + 1
  end
  return wait
end

local function is_uneven(sums, wanted, rooms)
  for kind = 1, 4 do
    local over = sums[kind] + likely(kind, wanted[kind]) - rooms[kind]
    if over > how.rounding then
      return true
    end
  end
  return false
end

local function even_wait(wanted)
  local rooms, sums, wait = {}, { unpack(state.even_sums) }, 0
  for kind = 1, 4 do
    rooms[kind] = how.limits[kind] > 0 and even_room(kind, wanted[kind]) or math.huge
  end
  local number, last = state.even_oldest, math.min(state.newest, state.even_oldest + WALK)
  while number <= last and is_uneven(sums, wanted, rooms) do
    local entry = entry_of(number)
    for kind, amount in ipairs(entry[4]) do
      sums[kind] = sums[kind] - amount
    end
    wait = entry[1] + even_window - state.now
    number = number + 1
  end
  return wait
end

local function wait_for(wanted)
  local wait = math.max(state.not_before - state.now, window_wait(wanted), even_wait(wanted))
  for kind = 1, 4 do
    if how.limits[kind] > 0 then
      wait = math.max(wait, state.due[kind] - early(kind, wanted[kind]) - state.now)
    end
  end
  return wait
end

local function grant(prompt, completion)
  local paced, doubts = {}, {}
  for kind, amount in ipairs(amounts(prompt, completion)) do
    state.sums[kind] = state.sums[kind] + amount
    paced[kind], doubts[kind] = likely(kind, amount), doubt(kind, amount)
    if how.limits[kind] > 0 then
      pace(kind, paced[kind])
    end
  end
  for kind, amount in ipairs(daily(prompt, completion)) do
    state.reserved[kind] = state.reserved[kind] + amount
  end
  local entry = { state.now, prompt, completion, paced, doubts }
  count_even(entry, 1)
  state.newest = state.newest + 1
  keep(state.newest, entry)
  local at = string.format('%.6f', state.now) -- as a number it would be cut to 14 digits
  return { number = state.newest, day = state.day, paced = paced, at = at }
end

local function reserve(prompt, completion)
  local today = daily(prompt, completion)
  if is_spent(today, false) then
    return { denied = 'day' }
  end
  if is_spent(today, true) then
    return { in_flight = true }
  end
  local wait = wait_for(amounts(prompt, completion))
  if wait > 0 then
    return { wait = wait }
  end
  return { grant = grant(prompt, completion) }
end

tell_time()
if is_lost() then
  return lose()
end
forget_what_left_ten_seconds()
forget_what_left_the_window()
for _, done in ipairs(ask.finished) do
  settle(done)
end
return answer(ask.wanted and reserve(unpack(ask.wanted)) or {})
