# Answers for test_counts_reference.py. Run from this folder: Rscript counts.R
# Writes ../counts_people.csv (synthetic: nobody is described), ../counts_epil.csv (MASS, GPL)
# and ../counts_fresh.json. Base R, MASS, sandwich; jsonlite writes.
suppressMessages({library(MASS); library(sandwich); library(jsonlite)})
set.seed(20261122)
tight <- glm.control(epsilon = 1e-14, maxit = 200)

data(epil, package = "MASS")
epil$prog <- as.integer(epil$trt == "progabide")
write.csv(epil[c("y", "prog", "base", "age", "V4", "subject", "period")], "../counts_epil.csv",
          row.names = FALSE, quote = FALSE)

# Synthetic people: two periods of unequal length, two arms, harm in days ---------------------
n <- 160
age <- round(rnorm(n, 34, 9)); site <- sample(c("south", "north", "west"), n, TRUE, c(.5, .3, .2))
arm <- rep(0:1, length.out = n); own <- rgamma(n, .8, .8)
people <- do.call(rbind, lapply(0:1, function(late) {
  years <- round(if (late) runif(n, .2, 1) else runif(n, .6, 1), 3)
  rate <- 2 * own * exp(-.2 * late - .4 * late * arm - .01 * (age - 34) + .3 * (site == "north"))
  y <- rpois(n, rate * years)
  data.frame(id = 1:n, area = rep(1:20, each = 8), programme = arm, after = late, age = age,
             site = site, years = years, y = y, harm = round(y * rexp(n, 1 / 12), 1))
}))
write.csv(people, "../counts_people.csv", row.names = FALSE, quote = FALSE)
people$site <- relevel(factor(people$site), ref = "south")
bladder <- read.csv("../survival_bladder2.csv")
bladder <- do.call(rbind, lapply(split(bladder, bladder$id), function(p)
  data.frame(p[1, c("id", "rx", "number", "size")], event = sum(p$event), stop = max(p$stop))))

rows <- function(b, se) lapply(setNames(seq_along(b), names(b)), function(i)
  list(est = unname(b[i]), se = unname(se[i])))
model <- function(fit, cluster = NULL) {
  out <- list(model = rows(coef(fit), sqrt(diag(vcov(fit)))),
              HC0 = rows(coef(fit), sqrt(diag(vcovHC(fit, "HC0")))), loglik = c(logLik(fit)))
  if (!is.null(cluster)) out$cluster <- rows(coef(fit),
    sqrt(diag(vcovCL(fit, cluster = cluster, type = "HC0", cadjust = TRUE))))
  if (inherits(fit, "negbin")) out <- c(out, theta = fit$theta, se_theta = fit$SE.theta)
  else out$phi <- sum(residuals(fit, "pearson")^2) / df.residual(fit)
  out
}
nb <- function(formula, data) glm.nb(formula, data, control = tight)
pois <- function(formula, data) glm(formula, poisson, data, control = tight)

answers <- list()
answers$bladder_nb <- model(nb(event ~ rx + number + size + offset(log(stop)), bladder))
answers$bladder_poisson <- model(pois(event ~ rx + number + size + offset(log(stop)), bladder))
f <- y ~ after + age + site + offset(log(years))
answers$people_nb <- model(nb(f, people), people$id)
answers$people_poisson <- model(pois(f, people), people$id)
answers$people_area <- model(nb(f, people), people$area)
last <- subset(people, after == 1)
answers$arms_nb <- model(nb(y ~ programme + age + site + offset(log(years)), last))
answers$did <- model(pois(y ~ after * programme + offset(log(years)), people), people$id)
suppressWarnings({
  harm <- glm(harm ~ after + offset(log(years)), quasipoisson, people, control = tight)
})
answers$harm <- list(est = unname(coef(harm)[2]),
  se = sqrt(vcovCL(harm, cluster = people$id, type = "HC0", cadjust = TRUE)[2, 2]))

# The rate that all would have in each period, and its difference (standardised over years) ----
fit <- pois(f, people)
rate <- function(late) { there <- people; there$after <- late
  sum(predict(fit, there, type = "response")) / sum(people$years) }
answers$standardised <- list(after = rate(1), before = rate(0))

# Mancl and DeRouen's variance by its definition, first 12 people -----------------------------
few <- subset(people, id <= 12)
fit <- pois(y ~ after + offset(log(years)), few)
x <- model.matrix(fit); mu <- fitted(fit); bread <- solve(t(x) %*% (mu * x))
meat <- Reduce(`+`, lapply(split(seq_along(mu), few$id), function(i) {
  h <- (mu[i] * x[i, , drop = FALSE]) %*% bread %*% t(x[i, , drop = FALSE])
  s <- t(x[i, , drop = FALSE]) %*% solve(diag(length(i)) - h, few$y[i] - mu[i])
  s %*% t(s) }))
answers$reduced <- list(est = unname(coef(fit)[2]), se = sqrt((bread %*% meat %*% bread)[2, 2]))

# Score test of overdispersion by its definition (Dean and Lawless 1989) ----------------------
fit <- pois(event ~ rx + number + size + offset(log(stop)), bladder)
mu <- fitted(fit); h <- hatvalues(fit)
z <- sum((bladder$event - mu)^2 - bladder$event + h * mu) / sqrt(2 * sum(mu^2))
answers$score_test <- list(z = z, p = pnorm(z, lower.tail = FALSE))

# Exact: totals --------------------------------------------------------------------------------
one <- function(x, t) { p <- poisson.test(x, t); list(x = x, t = t, est = unname(p$estimate), ci = p$conf.int) }
answers$rates <- lapply(list(c(10, 100), c(0, 12.5), c(1, 3), c(250, 40)), function(a) one(a[1], a[2]))
two <- function(x1, t1, x0, t0) { p <- poisson.test(c(x1, x0), c(t1, t0))
  list(x = c(x1, x0), t = c(t1, t0), est = unname(p$estimate), ci = p$conf.int, p = p$p.value) }
answers$ratios <- list(two(40, 1137, 72, 1343), two(0, 500, 60, 500), two(0, 10, 3, 20),
  two(5, 10, 0, 20), two(1, 1, 1, 3), two(8, 10, 21, 10), two(300, 12.3, 260, 17.1))

# Exact: within persons, periods of any length, by the polynomial's coefficients ---------------
pairs <- reshape(people[people$id <= 25, c("id", "after", "y", "years")], idvar = "id",
                 timevar = "after", direction = "wide")
pairs$total <- pairs$y.0 + pairs$y.1
used <- pairs[pairs$total > 0, ]
law <- function(phi) {           # of the events after, given everybody's total
  d <- 1
  for (i in seq_len(nrow(used))) {
    p <- phi * used$years.1[i] / (phi * used$years.1[i] + used$years.0[i])
    for (k in seq_len(used$total[i])) d <- c(d * (1 - p), 0) + c(0, d * p)
  }
  d
}
x <- sum(used$y.1); k <- seq(0, sum(used$total))
root <- function(f) uniroot(f, c(log(1e-4), log(1e4)), tol = 1e-13)$root
answers$within <- list(
  est = exp(root(function(b) sum(k * law(exp(b))) - x)),
  low = exp(root(function(b) sum(law(exp(b))[k >= x]) - .025)),
  high = exp(root(function(b) sum(law(exp(b))[k <= x]) - .025)),
  p = { d <- law(1); sum(d[d <= d[x + 1] * (1 + 1e-7)]) })
pre <- c(3, 1, 4, 0, 2, 5, 1, 2, 0, 3); post <- c(1, 0, 2, 0, 1, 1, 0, 2, 1, 0)
b <- binom.test(sum(post), sum(pre + post), .5)
answers$paired <- list(est = sum(post) / sum(pre), ci = b$conf.int / (1 - b$conf.int), p = b$p.value)

answers$meta <- list(R = R.version.string, packages = lapply(
  setNames(nm = c("MASS", "sandwich")), function(p) as.character(packageVersion(p))))
write_json(answers, "../counts_fresh.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
