# Answers for tests/reference/test_missing_exits_reference.py. Base R only:
#   Rscript missing_exits.R > ../missing_exits.json
set.seed(20261122)
n <- 300
z <- round(rnorm(n), 3)
before <- rbinom(n, 1, plogis(0.4 + z))
after <- rbinom(n, 1, plogis(-1.5 + 1.6 * before + 0.7 * z))
known <- rbinom(n, 1, plogis(1.1 - 0.8 * before - 0.5 * z))
fit <- glm(known ~ before + z, family = binomial, control = glm.control(epsilon = 1e-14))

# Stacked estimating equations of the model of who is known, of the weighted share after and of
# the share before, with derivatives by finite differences.
x <- cbind(1, before, z)
equations <- function(theta) {
  pi <- plogis(x %*% theta[1:3])[, 1]
  cbind(x * (known - pi), known / pi * (after - theta[4]), before - theta[5])
}
w <- known / fitted(fit)
theta <- c(coef(fit), sum(w * after) / sum(w), mean(before))
step <- 1e-6
bread <- sapply(seq_along(theta), function(j) {
  e <- replace(numeric(5), j, step)
  (colSums(equations(theta + e)) - colSums(equations(theta - e))) / (2 * step)
})
meat <- crossprod(equations(theta))
spread <- solve(bread) %*% meat %*% t(solve(bread))
contrast <- c(0, 0, 0, 1, -1)

p <- c(.01, .04, .03, .005, .2, .9, .03)
number <- function(v) paste0("[", paste(formatC(v, digits = 17, format = "g"), collapse = ", "), "]")
cat("{\n")
cat(' "R": "', R.version.string, '",\n', sep = "")
cat(' "z": ', number(z), ',\n "before": ', number(before), ',\n "after": ', number(after),
    ',\n "known": ', number(known), ",\n", sep = "")
cat(' "weighted": ', number(theta[4:5]), ',\n "error": ', number(sqrt(diag(spread))[4:5]),
    ',\n "difference_error": ', number(sqrt(contrast %*% spread %*% contrast)), ",\n", sep = "")
cat(' "p": ', number(p), ',\n "holm": ', number(p.adjust(p, "holm")), ',\n "bh": ',
    number(p.adjust(p, "BH")), ",\n", sep = "")
power <- function(n, p1, p2, level) power.prop.test(n = n, p1 = p1, p2 = p2, sig.level = level)$power
cat(' "power": ', number(c(power(100, .5, .307, .05), power(250, .3, .2, .01), power(60, .8, .4, .05))),
    "\n}\n", sep = "")
